import { readFileSync } from 'node:fs'
import { nameOf } from '../data'
import { once } from '../measure'
import { anySize, expectThat, type Work, withStore } from './work'

const FINDS = 10_000

/** What a process pays for having a store: time until the first secret is there, and memory. */
export const processes: readonly Work[] = [
  {
    name: 'open and first find',
    on: 'prepared',
    sizes: anySize,
    async run(bench) {
      const index = Math.floor(bench.random() * bench.secrets.size)
      const loading = await once(bench.load, () => {})
      let close: (() => unknown) | undefined
      const outcome = await once(
        async () => {
          const store = await bench.open()
          close = () => store.close()
          return store.find(nameOf(index))
        },
        (found) => {
          if (!bench.secrets.isPayload(found?.payload, index)) throw new Error('open: expected a payload, got another')
        },
      )
      await close?.()
      return { ...outcome, 'loading/cpu': loading.cpu ?? 0, 'loading/wall': loading.wall ?? 0 }
    },
  },
  {
    name: 'memory',
    on: 'prepared',
    sizes: anySize,
    async run(bench) {
      const before = memory('before anything is loaded')
      return withStore(bench, async (store) => {
        const { size } = bench.secrets
        const finds = Math.min(FINDS, bench.budget.runMs * 20)
        for (let turn = 0; turn < finds; turn++) {
          const index = Math.floor(bench.random() * size)
          const found = await store.find(nameOf(index))
          if (!bench.secrets.isPayload(found?.payload, index)) throw new Error('find: expected a payload, got another')
        }
        const afterFinds = memory('after finds')
        let count = 0
        await store.walk(() => {
          count++
        })
        expectThat('walk', count, size)
        return { ...before, ...afterFinds, ...memory('after a walk') }
      })
    },
  },
]

/** After a collection, if the process allows one. `private` is what is not a page of some file: it cannot be given up. */
function memory(when: string): Record<string, number> {
  globalThis.gc?.()
  const { rss, heapUsed } = process.memoryUsage()
  return { [`RSS ${when}/bytes`]: rss, [`private ${when}/bytes`]: privateBytes(), [`heap ${when}/bytes`]: heapUsed }
}

/** On Linux. */
function privateBytes(): number {
  try {
    const [, kilobytes] = /^RssAnon:\s+(\d+) kB/m.exec(readFileSync('/proc/self/status', 'latin1')) ?? []
    return Number(kilobytes) * 1024
  } catch {
    return Number.NaN
  }
}

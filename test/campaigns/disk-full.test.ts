import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, mkdtempSync, rmdirSync, rmSync, statfsSync, writeFileSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { account, type SecretStore } from '../../src/index'
import { campaign, conclude, type Draws, isLong, progressOf, sayRefusal } from '../support/campaign'
import { codeOf, openStore, temporaryDirectory } from '../support/stores'
import { flawOf } from './shim/flaws'
import { judge } from './shim/judge'
import { attempt, type Event, makeTemplate, OPERATIONS, type Operation } from './shim/operations'

const refusal = sayRefusal('small file systems that are full', refusalToMount())

/** Why no file system can be mounted here, or `undefined` if it can. */
function refusalToMount(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, not linux`
  if (process.getuid?.() !== 0) return 'it takes root'
  const directory = mkdtempSync(join(tmpdir(), 'secret-store-mount-'))
  try {
    mount(directory, 64)
    execFileSync('umount', [directory])
    return undefined
  } catch (error) {
    return error instanceof Error ? (error.message.split('\n', 1)[0] ?? '') : String(error)
  } finally {
    rmdirSync(directory)
  }
}

function mount(directory: string, sizeKib: number): void {
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${sizeKib}k`, 'tmpfs', directory], { stdio: 'pipe' })
}

interface SmallDisk {
  /** Where a store can be. */
  readonly location: string
  readonly directory: string
  /** Takes up all that is left. */
  fill(): void
  /** Gives room again: what `fill` took, and a reserve of half the disk. At its opening LevelDB copies its log. */
  free(): void
}

/** A file system of its own, which goes away with the test. */
function smallDisk(sizeKib: number): SmallDisk {
  const directory = mkdtempSync(join(tmpdir(), 'secret-store-disk-'))
  mount(directory, sizeKib)
  onTestFinished(() => {
    execFileSync('umount', ['-l', directory])
    rmdirSync(directory)
  })
  const reserve = join(directory, 'reserve')
  const filling = join(directory, 'filling')
  writeFileSync(reserve, Buffer.alloc((sizeKib * 1024) / 2))
  mkdirSync(join(directory, 'parent'), { mode: 0o700 })
  return {
    location: join(directory, 'parent', 'secrets'),
    directory,
    fill() {
      // A page at a time: a larger piece could fail and leave room for smaller ones.
      for (;;) {
        try {
          writeFileSync(filling, Buffer.alloc(4096), { flag: 'a' })
        } catch {
          return
        }
      }
    },
    free() {
      rmSync(filling, { force: true })
      rmSync(reserve, { force: true })
    },
  }
}

/** Sets secrets, some of them concurrently, until one is refused. Returns what was acknowledged, and the refusals. */
async function setUntilRefused(store: SecretStore, sizeBytes: number): Promise<[Map<string, string>, string[]]> {
  const acknowledged = new Map<string, string>()
  const refusals: string[] = []
  for (let round = 0; refusals.length === 0; round++) {
    await Promise.all(
      [0, 1, 2].map(async (lane) => {
        const name = `${round}-${lane}`
        // Varied in size, and not compressible by whatever is below.
        const payload = randomBytes(Math.ceil((sizeBytes * (lane + 1)) / 4)).toString('hex')
        const refusal = await codeOf(() => store.set({ scope: account, name, payload }))
        if (refusal === 'no error') acknowledged.set(name, payload)
        else refusals.push(refusal)
      }),
    )
  }
  return [acknowledged, refusals]
}

async function expectAll(store: SecretStore, payloads: ReadonlyMap<string, string>): Promise<void> {
  for (const [name, payload] of payloads) expect(await store.get({ scope: account, name }), name).toBe(payload)
}

const SIZES = [
  { sizeKib: 128, payloadBytes: 60 },
  { sizeKib: 256, payloadBytes: 700 },
  { sizeKib: 512, payloadBytes: 1800 },
  { sizeKib: 1024, payloadBytes: 9000 },
  { sizeKib: 4096, payloadBytes: 30_000 },
  { sizeKib: 16_384, payloadBytes: 200_000 },
  { sizeKib: 16_384, payloadBytes: 30_000 },
]

test.skipIf(refusal !== undefined).each(SIZES)(
  'on a full disk of $sizeKib KiB, writing stops and nothing acknowledged is lost (payloads of $payloadBytes bytes)',
  async ({ sizeKib, payloadBytes }) => {
    const disk = smallDisk(sizeKib)
    const store = await openStore(disk.location)
    const [acknowledged, refusals] = await setUntilRefused(store, payloadBytes)
    expect(new Set(refusals)).toEqual(new Set(['ERR_FAILED']))
    expect(acknowledged.size).toBeGreaterThan(3)
    await expectAll(store, acknowledged)

    disk.free()
    for (let time = 0; time < 3; time++) {
      expect(await codeOf(() => store.set({ scope: account, name: 'late', payload: 'late' }))).toBe('ERR_FAILED')
      expect(await codeOf(() => store.delete({ scope: account, name: '0-0' }))).toBe('ERR_FAILED')
    }
    expect(await codeOf(() => store.compact())).toBe('ERR_FAILED')
    await expectAll(store, acknowledged)
    await store.close()

    const again = await openStore(disk.location)
    await expectAll(again, acknowledged)
    expect(await again.get({ scope: account, name: 'late' })).toBeUndefined()
    expect(await again.verify()).toMatchObject({ ok: true, problems: [] })
    await again.set({ scope: account, name: 'late', payload: 'late' })
    await again.close()
  },
)

test.skipIf(refusal !== undefined).each([128, 1024])(
  'a store on a disk of %s KiB that is still full opens or says why not, and loses nothing by the attempt',
  async (sizeKib) => {
    const disk = smallDisk(sizeKib)
    const store = await openStore(disk.location)
    const [acknowledged] = await setUntilRefused(store, 600)
    await store.close()
    disk.fill()
    for (let time = 0; time < 3; time++) {
      const code = await codeOf(async () => (await openStore(disk.location)).close())
      expect(['ERR_IO', 'no error']).toContain(code)
    }
    disk.free()
    const again = await openStore(disk.location)
    await expectAll(again, acknowledged)
    expect(await again.verify()).toMatchObject({ ok: true, problems: [] })
    await again.close()
  },
)

test.skipIf(refusal !== undefined)('a compaction that finds the disk full fails and loses nothing', async () => {
  const disk = smallDisk(2048)
  const store = await openStore(disk.location)
  const payloads = new Map(Array.from({ length: 40 }, (_, n) => [`${n}`, randomBytes(10_000).toString('hex')] as const))
  for (const [name, payload] of payloads) await store.set({ scope: account, name, payload })
  disk.fill()
  expect(await codeOf(() => store.compact())).toBe('ERR_FAILED')
  expect(await codeOf(() => store.set({ scope: account, name: 'late', payload: 'late' }))).toBe('ERR_FAILED')
  await store.close()
  disk.free()
  const again = await openStore(disk.location)
  await expectAll(again, payloads)
  expect(await again.verify()).toMatchObject({ ok: true, problems: [] })
  await again.compact()
  await expectAll(again, payloads)
  await again.close()
})

test.skipIf(refusal !== undefined)(
  'a store that cannot be created for want of room leaves nothing behind',
  async () => {
    const disk = smallDisk(64)
    disk.fill()
    expect(await codeOf(() => openStore(disk.location))).toBe('ERR_IO')
    expect(await readdir(join(disk.directory, 'parent'))).toEqual([])
    disk.free()
    const store = await openStore(disk.location)
    await store.set({ scope: account, name: 'name', payload: 'payload' })
    await store.close()
  },
)

const PAGE_BYTES = 4096
/** What the greatest operation takes, and as much again. */
const AMPLE_PAGES: number = (32 * 1024 * 1024) / PAGE_BYTES
/** Beyond so many pages, the long run leaves some out, too. */
const EVERY_PAGES = 160

/** How much room there is to be, from none on. */
function* rooms(draws: Draws): Generator<number> {
  for (let pages = 0; pages <= AMPLE_PAGES; ) {
    yield pages
    if (isLong && pages < EVERY_PAGES) pages++
    else pages += 1 + draws.below(isLong ? 1 + pages / 8 : 4 + pages)
  }
}

interface Outcome {
  /** Whether nothing failed. */
  readonly enough: boolean
  readonly problems: readonly string[]
  readonly steps: string
}

/** Tries an operation on a disk with so much room, gives it room again, and looks at what is there. */
async function attemptWithRoom(disk: string, template: string, operation: Operation, pages: number): Promise<Outcome> {
  const place = join(disk, 'place')
  const ballast = join(disk, 'ballast')
  cpSync(template, place, { recursive: true })
  const events: Event[] = []
  const arming = {
    arm(): void {
      const { bavail, bsize } = statfsSync(disk)
      writeFileSync(ballast, Buffer.alloc(Math.max(0, bavail * bsize - pages * PAGE_BYTES)))
    },
    disarm: (): void => rmSync(ballast),
  }
  await attempt(operation, place, arming, (event) => events.push(event))
  const enough = events.every((event) => !('ended' in event) || event.outcome === 'done')
  const problems = await judge(place, events, { survived: true, harmless: false, tidy: true })
  rmSync(place, { recursive: true })
  return { enough, problems, steps: events.map((event) => JSON.stringify(event)).join('\n') }
}

test.skipIf(refusal !== undefined)(
  'however little room there is, nothing acknowledged is lost and nothing is half-made',
  () =>
    campaign('campaigns/disk-full.test.ts', async (draws) => {
      const template = join(await temporaryDirectory(), 'template')
      mkdirSync(template)
      await makeTemplate(template)
      const disk = mkdtempSync(join(tmpdir(), 'secret-store-disk-'))
      mount(disk, (AMPLE_PAGES * PAGE_BYTES * 2) / 1024)
      onTestFinished(() => {
        execFileSync('umount', ['-l', disk])
        rmdirSync(disk)
      })
      const progress = progressOf('disk-full')
      const failures: string[] = []
      let [tried, refused] = [0, 0]
      for (const [index, operation] of OPERATIONS.entries()) {
        for (const pages of rooms(draws)) {
          const { enough, problems, steps } = await attemptWithRoom(disk, template, operation, pages)
          tried++
          if (!enough) refused++
          if (problems.some((message) => flawOf({ message, operation: operation.name }) === undefined)) {
            failures.push(`${operation.name} with ${pages} pages of room: ${problems.join('\n')}\n${steps}`)
          }
          if (enough) break
        }
        progress(index + 1, OPERATIONS.length)
      }
      expect(failures).toEqual([])
      conclude('disk-full', { attempts: tried, 'of them with too little room': refused, lost: 0 })
      expect(refused).toBeGreaterThan(OPERATIONS.length)
    }),
)

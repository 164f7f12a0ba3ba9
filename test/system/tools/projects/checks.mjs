/**
 * What a store on disk is to do, wherever it is used: with nothing but the package, by its name, and Node. Each check
 * has a folder of its own. `holder` is a program that keeps a store open, given its location, until it is ended.
 */
import assert from 'node:assert'
import { execFileSync, spawn } from 'node:child_process'
import { readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { TextEncoder } from 'node:util'
import {
  account,
  generateRecoveryCode,
  rawKey,
  recoveryCode,
  SecretStore,
  SecretStoreError,
  user,
} from 'app-secret-store'

const key = rawKey(new Uint8Array(32).fill(7))
const token = { scope: account, name: 'token' }
const expanded = { ...token, expand: ['payload'] }

/** A store with one secret, before `work`, which it is closed after. */
async function withStore(location, work, options = {}) {
  const store = await SecretStore.open(location, { key, ...options })
  try {
    await store.set({ ...token, payload: 'example' })
    return await work(store)
  } finally {
    await store.close()
  }
}

/** By the code, and by the class: `instanceof` holds in one program. */
async function fails(code, work) {
  const error = await work().then(
    () => undefined,
    (caught) => caught,
  )
  assert.strictEqual(error?.code, code, `expected ${code}, got ${error?.stack}`)
  assert.ok(error instanceof SecretStoreError, `expected a SecretStoreError, got ${error?.constructor?.name}`)
}

/** Keeps a store open. Says so, and ends with its standard input. */
export async function hold(location) {
  const store = await SecretStore.open(location, { key })
  process.stdin.resume().on('end', () => store.close())
  console.log('held')
}

export const checks = {
  async 'a store is made, for its owner alone'({ folder }) {
    const location = join(folder, 'a', 'secrets')
    await withStore(location, async () => {
      assert.strictEqual((await readdir(location)).sort().join(' '), 'data keyring.json')
    })
    if (process.platform !== 'win32') assert.strictEqual((await stat(location)).mode & 0o777, 0o700)
  },
  async 'what was set is found, without its payload unless that is asked for'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      const found = await store.find(token)
      assert.deepStrictEqual([found.name, found.object, 'payload' in found], ['token', 'apps.secret', false])
      assert.strictEqual((await store.find(expanded)).payload, 'example')
      assert.strictEqual(store.findSync(expanded).payload, 'example')
      assert.strictEqual(await store.find({ ...token, name: 'none' }), undefined)
    })
  },
  async 'payloads are text and bytes, in any language'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      const name = 'ключ-鍵-🔑'
      await store.set({ scope: account, name, payload: 'пароль 🔒' })
      assert.strictEqual(await store.get({ scope: account, name }), 'пароль 🔒')
      assert.strictEqual(store.getSync({ scope: account, name }), 'пароль 🔒')
      const large = new Uint8Array(200_000).fill(3)
      await store.set({ scope: account, name: 'large', payload: large })
      assert.deepStrictEqual([...(await store.getBytes({ scope: account, name: 'large' }))], [...large])
      // What another realm made is as good.
      await store.set({ scope: account, name: 'encoded', payload: new TextEncoder().encode('example') })
      assert.strictEqual(Buffer.from(await store.getBytes({ scope: account, name: 'encoded' })).toString(), 'example')
      await store.set({ scope: account, name: 'buffer', payload: Buffer.from('example') })
      assert.strictEqual((await store.getBytes({ scope: account, name: 'buffer' })).length, 7)
    })
  },
  async 'secrets are listed in order, page by page and all'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      const names = Array.from({ length: 25 }, (_, n) => `n${String(n).padStart(2, '0')}`)
      await store.batch(names.map((name) => ({ type: 'set', scope: user('usr_1'), name, payload: name })))
      const page = await store.list({ scope: user('usr_1'), limit: 10, expand: ['data.payload'] })
      assert.deepStrictEqual([page.has_more, page.data.map(({ payload }) => payload)], [true, names.slice(0, 10)])
      const walked = []
      for await (const { name } of store.list({ scope: user('usr_1') })) walked.push(name)
      assert.deepStrictEqual(walked, names)
      await fails('ERR_CURSOR', async () => store.list({ scope: user('usr_1'), starting_after: 'none' }))
    })
  },
  async 'what was deleted is gone, and stays so'({ folder }) {
    const location = join(folder, 'secrets')
    await withStore(location, async (store) => {
      assert.strictEqual((await store.delete(token)).deleted, true)
      assert.strictEqual(await store.delete(token), undefined)
    })
    const store = await SecretStore.open(location, { key, createIfMissing: false })
    assert.strictEqual(await store.find(token), undefined)
    await store.close()
  },
  async 'a store that was closed opens with all that was in it'({ folder }) {
    const location = join(folder, 'secrets')
    const { id } = await withStore(location, (store) => store.find(token))
    const store = await SecretStore.open(location, { key, verify: true })
    assert.strictEqual((await store.find(token)).id, id)
    await store.close()
    await fails('ERR_CLOSED', () => store.find(token))
  },
  async 'an expired secret is not given out'({ folder }) {
    let milliseconds = Date.now()
    const now = () => milliseconds
    const work = async (store) => {
      const expires_at = Math.floor(milliseconds / 1000) + 60
      await store.set({ ...token, payload: 'short', expires_at })
      assert.strictEqual(await store.get(token), 'short')
      milliseconds += 61_000
      assert.strictEqual(await store.get(token), undefined)
      assert.strictEqual(store.findSync(token), undefined)
    }
    await withStore(join(folder, 'secrets'), work, { now })
  },
  async 'the clock of the process counts as it is at each call'({ folder }) {
    const real = Date.now
    try {
      await withStore(join(folder, 'secrets'), async (store) => {
        const expires_at = Math.floor(real() / 1000) + 1000
        await store.set({ ...token, payload: 'short', expires_at })
        Date.now = () => expires_at * 1000
        assert.strictEqual(await store.get(token), undefined)
      })
    } finally {
      Date.now = real
    }
  },
  async 'a store that is opened to be read gives all, and not a byte of it changes'({ folder }) {
    const location = join(folder, 'secrets')
    const { id } = await withStore(location, (store) => store.find(token))
    const files = async () => {
      const names = (await readdir(location, { recursive: true })).sort()
      const found = await Promise.all(names.map((name) => stat(join(location, name), { bigint: true })))
      return found.map(({ size, mtimeNs }, index) => `${names[index]} ${size} ${mtimeNs}`)
    }
    const before = await files()
    const store = await SecretStore.open(location, { key, readOnly: true })
    assert.deepStrictEqual([(await store.find(token)).id, store.getSync(token)], [id, 'example'])
    assert.strictEqual((await store.verify()).ok, true)
    for (const write of [() => store.set({ ...token, payload: 'p' }), () => store.compact(), () => store.rotate()]) {
      await fails('ERR_READ_ONLY', write)
    }
    await store.close()
    assert.deepStrictEqual(await files(), before)
  },
  async 'a backup is restored from a FIFO, where there are some'({ folder }) {
    if (process.platform === 'win32') return
    await withStore(join(folder, 'secrets'), (store) => store.backup(join(folder, 'backup')))
    const pipe = join(folder, 'pipe')
    execFileSync('mkfifo', [pipe])
    const writer = spawn('sh', ['-c', 'cat "$1" > "$2"', 'sh', join(folder, 'backup'), pipe], { stdio: 'ignore' })
    try {
      await SecretStore.restore(pipe, join(folder, 'restored'), { key })
    } finally {
      writer.kill()
    }
    const restored = await SecretStore.open(join(folder, 'restored'), { key })
    assert.strictEqual(await restored.get(token), 'example')
    await restored.close()
  },
  async 'a view reaches its user and no other'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      const view = store.view({ user: 'usr_1' })
      await view.set({ scope: user('usr_1'), name: 'own', payload: 'p' })
      await fails('ERR_ACCESS_DENIED', () => view.get({ scope: user('usr_2'), name: 'own' }))
    })
  },
  async 'a backup is restored elsewhere, and takes the place of nothing'({ folder }) {
    const [file, location] = [join(folder, 'backup'), join(folder, 'restored')]
    await withStore(join(folder, 'secrets'), async (store) => {
      await store.backup(file)
      await fails('ERR_EXISTS', () => store.backup(file))
    })
    await SecretStore.restore(file, location, { key })
    await fails('ERR_EXISTS', () => SecretStore.restore(file, location, { key }))
    const store = await SecretStore.open(location, { key, createIfMissing: false })
    assert.strictEqual(await store.get(token), 'example')
    await store.close()
  },
  async 'keys are added, exchanged and removed, but for the last'({ folder }) {
    const location = join(folder, 'secrets')
    const code = generateRecoveryCode()
    await withStore(location, async (store) => {
      const [first] = store.keys()
      const added = await store.addKey(recoveryCode(code))
      await store.removeKey(first.id)
      await fails('ERR_LAST_KEY', () => store.removeKey(added.id))
      await fails('ERR_UNKNOWN_KEY', () => store.removeKey(first.id))
    })
    await fails('ERR_WRONG_KEY', () => SecretStore.open(location, { key }))
    await (await SecretStore.open(location, { key: recoveryCode(code) })).close()
  },
  async 'rotation seals everything anew, and shuts a replaced key out'({ folder }) {
    const location = join(folder, 'secrets')
    const next = rawKey(new Uint8Array(32).fill(8))
    await withStore(location, async (store) => {
      assert.strictEqual((await store.rotate()).records, 1)
      await store.rotate({ root: true, keys: [{ from: key, to: next }] })
      assert.strictEqual(await store.get(token), 'example')
    })
    await fails('ERR_WRONG_KEY', () => SecretStore.open(location, { key }))
    const store = await SecretStore.open(location, { key: next })
    assert.strictEqual(await store.get(token), 'example')
    await store.close()
  },
  async 'compaction and verification go through'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      await store.delete(token)
      await store.compact()
      const { ok, records } = await store.verify()
      assert.deepStrictEqual([ok, records], [true, 0])
    })
  },
  async 'an older copy than the checkpoint is refused'({ folder }) {
    const location = join(folder, 'secrets')
    const file = join(folder, 'backup')
    const minimum = await withStore(location, async (store) => {
      await store.backup(file)
      await store.set({ ...token, payload: 'newer' })
      return store.checkpoint()
    })
    await (await SecretStore.open(location, { key, minimum })).close()
    await SecretStore.restore(file, join(folder, 'older'), { key })
    await fails('ERR_ROLLBACK', () => SecretStore.open(join(folder, 'older'), { key, minimum }))
  },
  async 'a store that is not there is made only where that is wished'({ folder }) {
    const location = join(folder, 'none')
    await fails('ERR_NOT_FOUND', () => SecretStore.open(location, { key, createIfMissing: false }))
    await assert.rejects(stat(location), { code: 'ENOENT' })
  },
  async 'what is no store is refused'({ folder }) {
    await writeFile(join(folder, 'file'), 'text')
    await fails('ERR_NOT_A_STORE', () => SecretStore.open(join(folder, 'file'), { key }))
    await fails('ERR_NOT_A_STORE', () => SecretStore.restore(join(folder, 'file'), join(folder, 'new'), { key }))
  },
  async 'a link is no place for a store'({ folder }) {
    if (process.platform === 'win32') return
    await symlink(folder, join(folder, 'link'))
    await fails('ERR_UNSAFE_LOCATION', () => SecretStore.open(join(folder, 'link'), { key }))
  },
  async 'a second opener in this program is refused'({ folder }) {
    const location = join(folder, 'secrets')
    await withStore(location, () => fails('ERR_LOCKED', () => SecretStore.open(location, { key })))
  },
  async 'a store that another process holds is refused, and opens after its end'({ folder, holder }) {
    const location = join(folder, 'secrets')
    await withStore(location, () => undefined)
    const child = spawn(process.execPath, [holder, 'hold', location], {
      // For Electron: as Node.
      env: { ...process.env, ELECTRON_RUN_AS_NODE: '1' },
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    const ended = new Promise((resolve) => child.once('exit', resolve))
    try {
      await new Promise((resolve, reject) => {
        child.stdout.once('data', resolve)
        child.once('exit', (code) =>
          reject(new Error(`the holder: expected it to hold the store, got its end: ${code}`)),
        )
      })
      await fails('ERR_LOCKED', () => SecretStore.open(location, { key }))
      if (process.platform === 'linux')
        await fails('ERR_LOCKED', () => SecretStore.open(location, { key, readOnly: true }))
    } finally {
      child.kill('SIGKILL')
      await ended
    }
    assert.strictEqual(await withStore(location, (store) => store.get(token)), 'example')
  },
  async 'damage is refused, and recovery brings back what is left'({ folder }) {
    const location = join(folder, 'secrets')
    await withStore(location, () => undefined)
    await rm(join(location, 'data', 'CURRENT'))
    await fails('ERR_CORRUPT', () => SecretStore.open(location, { key }))
    const { complete, kept } = await SecretStore.recover(location, { key, destination: join(folder, 'recovered') })
    assert.deepStrictEqual([complete, kept], [true, 1])
    assert.strictEqual(await withStore(join(folder, 'recovered'), (store) => store.get(token)), 'example')
  },
  async 'a damaged keyring.json is refused'({ folder }) {
    const location = join(folder, 'secrets')
    await withStore(location, () => undefined)
    const path = join(location, 'keyring.json')
    await writeFile(path, (await readFile(path, 'utf8')).slice(1))
    await fails('ERR_CORRUPT', () => SecretStore.open(location, { key }))
  },
  async 'mistakes of a program are a TypeError and a RangeError'({ folder }) {
    await withStore(join(folder, 'secrets'), async (store) => {
      await assert.rejects(store.set({ ...token, payload: 3 }), (error) => error instanceof TypeError)
      await assert.rejects(store.set({ ...token, payload: 'p', expires_at: 1 }), (error) => error instanceof RangeError)
    })
  },
  async 'a store in memory does the same'() {
    const store = SecretStore.memory()
    await store.set({ ...token, payload: 'example' })
    assert.strictEqual(await store.get(token), 'example')
    assert.strictEqual((await store.verify()).ok, true)
    await store.close()
  },
}

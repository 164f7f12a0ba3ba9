/**
 * Imports what this Electron's own `safeStorage` has encrypted, and prints what came of it as JSON. In SECRET_STORE_DIST
 * is the built package. With ELECTRON_STORE, the path of electron-store's module, that is imported from, too.
 */
const { mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { join } = require('node:path')
const { pathToFileURL } = require('node:url')
const { app, safeStorage } = require('electron')

const dist = process.env.SECRET_STORE_DIST
const { account, SecretStore } = require(join(dist, 'index.cjs'))
const { electronStore, importFrom, safeStorageFiles } = require(join(dist, 'migrate.cjs'))

const counts = ({ entries, ...rest }) => rest
const outcomes = ({ entries }) =>
  entries.map(({ from, outcome, reason = '' }) => `${from}: ${outcome} ${reason}`.trim())

async function migrate() {
  // Linux without a keyring.
  if (!safeStorage.isEncryptionAvailable()) safeStorage.setUsePlainTextEncryption(true)
  const directory = join(app.getPath('userData'), 'encrypted')
  rmSync(directory, { recursive: true, force: true })
  mkdirSync(directory)
  const payloads = { token: 'example-token', 'päyload.two': 'pässword 😀\nin two lines' }
  for (const [name, payload] of Object.entries(payloads)) {
    writeFileSync(join(directory, `${name}.enc`), safeStorage.encryptString(payload))
  }
  writeFileSync(join(directory, 'plain.enc'), 'payload-nobody-may-see')
  writeFileSync(join(directory, 'cut.enc'), safeStorage.encryptString('example').subarray(0, 8))
  writeFileSync(join(directory, 'nothing.enc'), '')
  const content = () => readdirSync(directory).map((name) => [name, readFileSync(join(directory, name), 'hex')])
  const before = JSON.stringify(content())

  const store = SecretStore.memory()
  const source = safeStorageFiles({ safeStorage, directory })
  const dry = await importFrom(source, store, { dryRun: true })
  const first = await importFrom(source, store)
  const second = await importFrom(source, store)
  const read = {}
  for (const name of Object.keys(payloads)) read[name] = await store.get({ scope: account, name })

  const report = {
    electron: process.versions.electron,
    backend: safeStorage.getSelectedStorageBackend?.() ?? 'the system',
    dry: counts(dry),
    first: counts(first),
    second: counts(second),
    outcomes: outcomes(first),
    equal: JSON.stringify(read) === JSON.stringify(payloads),
    untouched: JSON.stringify(content()) === before,
  }
  if (process.env.ELECTRON_STORE) report.electronStore = await fromElectronStore()
  return report
}

/** With text that `safeStorage` has encrypted in it, in three ways of writing it, as apps have it. */
async function fromElectronStore() {
  const { default: ElectronStore } = await import(pathToFileURL(process.env.ELECTRON_STORE).href)
  const old = new ElectronStore({ name: 'old', encryptionKey: 'obscured' })
  old.store = { user: { name: 'alice', token: 'example-token' }, window: { width: 800 } }
  const store = SecretStore.memory()
  const plain = await importFrom(electronStore(old, { keys: ['user'] }), store)
  const result = { plain: outcomes(plain), token: await store.get({ scope: account, name: 'user.token' }) }
  for (const encoding of ['base64', 'hex', 'latin1']) {
    const encrypted = new ElectronStore({ name: encoding })
    encrypted.store = { token: safeStorage.encryptString('example-token').toString(encoding), theme: 'dark' }
    const decode = (value) => safeStorage.decryptString(Buffer.from(value, encoding))
    const view = store.view({ account: encoding })
    const report = await importFrom(electronStore(encrypted, { decode }), view)
    result[encoding] = [outcomes(report), await view.get({ scope: account, name: 'token' })]
  }
  return result
}

app
  .whenReady()
  .then(migrate)
  .then(
    (report) => {
      process.stdout.write(`${JSON.stringify(report)}\n`)
      app.exit(0)
    },
    (error) => {
      process.stderr.write(`${error.stack}\n`)
      app.exit(1)
    },
  )

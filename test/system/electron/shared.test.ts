import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, type TestContext, test } from 'vitest'
import { makeApp, needElectron, run, said, useElectron, userDataFolder } from './harness'

// One store, shared by the main process and utility processes of a real Electron, and by two instances of an app.

useElectron()

const switches = ['--password-store=basic']

/** A utility process that opens the store by its port, and does what main says. Its changes are noted. */
const UTILITY = `
  const { account } = require('app-secret-store')
  const { openFromMain } = require('app-secret-store/electron')
  let store
  const changes = []
  process.parentPort.on('message', async ({ data: { number, program }, ports: [port] }) => {
    try {
      if (port !== undefined) {
        store = await openFromMain(port, { timeoutMs: 20000 })
        store.on('change', ({ type, name }) => changes.push(type + ' ' + name))
      }
      const work = new Function('store', 'changes', 'account', 'return (async () => {' + program + '})()')
      process.parentPort.postMessage({ number, value: await work(store, changes, account) })
    } catch (error) {
      process.parentPort.postMessage({ number, error: String(error.stack) })
    }
  })
`

/** Opens the store in main, and has utility processes that do what they are told. */
const MAIN = `
  const { account } = require('app-secret-store')
  const { openInUserData, provideKey, safeStorage } = require('app-secret-store/electron')
  const { MessageChannelMain, utilityProcess } = electron
  const open = () => openInUserData(electron, { shared: true, allowBasicText: true, offerRecoveryCode: () => true })
  const key = safeStorage(electron.safeStorage, { allowBasicText: true })
  const utility = async (store) => {
    const child = utilityProcess.fork(join(app.getAppPath(), 'utility.cjs'))
    const waiting = new Map()
    const ended = new Promise((resolve) => child.once('exit', resolve))
    child.on('message', ({ number, value, error }) => {
      const { resolve, reject } = waiting.get(number)
      if (error === undefined) resolve(value)
      else reject(new Error(error))
    })
    const ask = (program, ports) => new Promise((resolve, reject) => {
      const number = waiting.size
      waiting.set(number, { resolve, reject })
      child.postMessage({ number, program }, ports)
    })
    const { port1, port2 } = new MessageChannelMain()
    provideKey(port1, store, key)
    await ask('return true', [port2])
    return { ask, ended, child }
  }
  const { readdirSync } = require('node:fs')
  const leftBehind = () => readdirSync(process.env.XDG_RUNTIME_DIR, { recursive: true }).filter((name) => name.includes('/'))
  const role = 'return (await store.status()).sharing.role'
`

/** Where sockets are made, which is to be empty in the end. */
async function runtimeFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'ssx'))
  onTestFinished(() => rm(folder, { recursive: true, force: true }))
  return folder
}

/** What sharing leaves: sockets, and who says that he holds the files. */
async function leftBehind(runtime: string, userData: string): Promise<string[]> {
  const sockets = await readdir(runtime, { recursive: true })
  const files = await readdir(join(userData, 'secrets'))
  return [...sockets.filter((name) => name.includes('/')), ...files.filter((name) => name.startsWith('owner'))]
}

/** The processes whose command line names a folder. */
async function processesOf(folder: string): Promise<string[]> {
  const found: string[] = []
  for (const pid of (await readdir('/proc')).filter((name) => /^\d+$/.test(name))) {
    const line = await readFile(`/proc/${pid}/cmdline`, 'utf8').catch(() => '')
    if (line.includes(folder)) found.push(line.replaceAll('\0', ' '))
  }
  return found
}

function needLinux(context: TestContext): void {
  needElectron(context)
  if (process.platform !== 'linux') context.skip('what is left behind is looked for in /proc')
}

test('main and two utility processes share a store, and go on when one of them ends', async (context) => {
  needLinux(context)
  const userData = await userDataFolder()
  const runtime = await runtimeFolder()
  const lines = await said(
    userData,
    `${MAIN}
      const store = await open()
      const [a, b] = await Promise.all([utility(store), utility(store)])
      const changes = []
      store.on('change', ({ type, name }) => changes.push(type + ' ' + name))
      say([(await store.status()).sharing.role, await a.ask(role), await b.ask(role)])
      say(leftBehind().length)

      await store.set({ scope: account, name: 'main', payload: 'from main' })
      await a.ask("await store.set({ scope: account, name: 'a', payload: 'from a' })")
      await b.ask("await store.set({ scope: account, name: 'b', payload: 'from b' })")
      const names = "return (await store.list({ scope: account })).data.map(({ name }) => name)"
      say([await a.ask(names), await b.ask(names), (await store.list({ scope: account })).data.map(({ name }) => name)])
      say([await a.ask("return store.get({ scope: account, name: 'b' })"), await store.get({ scope: account, name: 'a' })])
      say([changes, await a.ask('return changes'), await b.ask('return changes')])

      // Main lets go of it: one of the others takes over.
      await store.close()
      await a.ask("await store.set({ scope: account, name: 'later', payload: 'x' })")
      say(await b.ask("return store.get({ scope: account, name: 'later' })"))
      const roles = [await a.ask(role), await b.ask(role)]
      say([...roles].sort())

      // Whoever has taken over is killed.
      const [killed, left] = roles[0] === 'owner' ? [a, b] : [b, a]
      process.kill(killed.child.pid, 'SIGKILL')
      await killed.ended
      await left.ask("await store.set({ scope: account, name: 'last', payload: 'x' })")
      say([await left.ask(role), (await left.ask(names)).length])

      // Main comes back, and another utility process with it.
      const again = await open()
      const c = await utility(again)
      say([(await again.status()).sharing.role, await c.ask("return store.get({ scope: account, name: 'last' })")])
      await left.ask('await store.close()')
      say([await again.get({ scope: account, name: 'last' }), await c.ask(names)])
      await c.ask('await store.close()')
      await again.close()
    `,
    { switches, env: { XDG_RUNTIME_DIR: runtime }, files: { 'utility.cjs': UTILITY } },
  )
  const all = ['a', 'b', 'main']
  const events = ['set main', 'set a', 'set b']
  expect(lines).toEqual([
    ['owner', 'follower', 'follower'],
    1,
    [all, all, all],
    ['from b', 'from a'],
    [events, events, events],
    'x',
    ['follower', 'owner'],
    ['owner', 5],
    ['follower', 'x'],
    ['x', ['a', 'b', 'last', 'later', 'main']],
  ])
  expect(await leftBehind(runtime, userData)).toEqual([])
  expect(await processesOf(userData)).toEqual([])
})

/** As docs/electron.md has it: utility processes end first, and then main lets go of the store. */
const QUIT = `
  const children = []
  let isClosed = false
  app.on('will-quit', async (event) => {
    if (isClosed) return
    event.preventDefault()
    await Promise.all(children.map((child) => new Promise((ended) => {
      child.once('exit', ended)
      child.kill()
    })))
    await store.close()
    isClosed = true
    app.quit()
  })
`

/** An app of which the main process runs a program when it is ready, and ends by what that calls. */
async function runApp(userData: string, runtime: string, program: string): Promise<string> {
  const app = await makeApp({
    'utility.cjs': UTILITY,
    'main.cjs': `
      const electron = require('electron')
      const { app } = electron
      const { join } = require('node:path')
      const say = (...words) => console.log('said', ...words)
      app.whenReady().then(async () => { ${MAIN} ${program} }).catch((error) => { say(error.stack); app.exit(1) })
    `,
  })
  const { exitCode, stdout, stderr } = await run(app, { switches, userData, env: { XDG_RUNTIME_DIR: runtime } })
  expect(exitCode, stdout + stderr).toBe(0)
  const lines = stdout.split('\n').filter((line) => line.startsWith('said '))
  return lines.map((line) => line.slice('said '.length)).join('; ')
}

test('app.quit leaves no socket, no file and no process', async (context) => {
  needLinux(context)
  const userData = await userDataFolder()
  const runtime = await runtimeFolder()
  const said = await runApp(
    userData,
    runtime,
    `
      const store = await open()
      ${QUIT}
      const [a, b] = [await utility(store), await utility(store)]
      children.push(a.child, b.child)
      await a.ask("await store.set({ scope: account, name: 'a', payload: 'x' })")
      say(leftBehind().length)
      app.quit()
    `,
  )
  expect(said).toBe('1')
  expect(await leftBehind(runtime, userData)).toEqual([])
  expect(await processesOf(userData)).toEqual([])
})

test('an app that closes nothing ends as well, and what it leaves is gone after the next start', async (context) => {
  needLinux(context)
  const userData = await userDataFolder()
  const runtime = await runtimeFolder()
  const program = `
    const store = await open()
    const a = await utility(store)
    await a.ask("await store.set({ scope: account, name: 'a', payload: 'x' })")
    say(await store.get({ scope: account, name: 'a' }))
    app.quit()
  `
  expect(await runApp(userData, runtime, program)).toBe('x')
  expect(await processesOf(userData)).toEqual([])
  expect((await leftBehind(runtime, userData)).length).toBeGreaterThan(0)
  const next = `
    const store = await open()
    say(await store.get({ scope: account, name: 'a' }), (await store.status()).sharing.role)
    await store.close()
    app.quit()
  `
  expect(await runApp(userData, runtime, next)).toBe('x owner')
  expect(await leftBehind(runtime, userData)).toEqual([])
})

test('two instances of an app share its store', async (context) => {
  needLinux(context)
  const userData = await userDataFolder()
  const runtime = await runtimeFolder()
  const until = (name: string): string => `
    while ((await store.get({ scope: account, name: '${name}' })) === undefined) {
      await new Promise((resolve) => setTimeout(resolve, 20))
    }
  `
  const instance = (own: string, other: string): string => `
    const store = await open()
    await store.set({ scope: account, name: '${own}', payload: 'x' })
    ${until(other)}
    say((await store.list({ scope: account })).data.map(({ name }) => name))
    await store.set({ scope: account, name: '${own} has seen', payload: 'x' })
    ${until(`${other} has seen`)}
    await store.close()
    app.quit()
  `
  const both = await Promise.all([
    runApp(userData, runtime, instance('first', 'second')),
    runApp(userData, runtime, instance('second', 'first')),
  ])
  for (const said of both) expect(said).toMatch(/first.*second/)
  expect(await leftBehind(runtime, userData)).toEqual([])
})

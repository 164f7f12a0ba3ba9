import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { makeApp, needElectron, run, useElectron } from './harness'

/**
 * Attacks on the bridge by pages of a real Electron. Whatever they try: they see nothing that is FORBIDDEN, the store is whole, and other
 * windows and the main process go on.
 */

useElectron()

/**
 * The preload script of a page whose renderer was broken into: without an isolated world, so that the page has `ipcRenderer` itself,
 * and keeps everything that comes in.
 */
const BROKEN_INTO = `
  const { ipcRenderer } = require('electron')
  const seen = []
  const keep = (value) => { seen.push(value); return value }
  for (const channel of ['secret-store:call', 'secret-store:port', 'secret-store:change']) {
    ipcRenderer.on(channel, (_, ...args) => keep(args))
  }
  const CALL = 'secret-store:call'
  window.raw = {
    ipcRenderer,
    invoke: (...args) => ipcRenderer.invoke(...args).then(keep, (error) => ({ rejected: keep(String(error)) })),
    call: (name, params, as = location.href) => window.raw.invoke(CALL, name, params, as),
    watch: (count = 1) => {
      const channels = Array.from({ length: count }, () => new MessageChannel())
      for (const { port1 } of channels) port1.onmessage = ({ data }) => keep(data)
      ipcRenderer.postMessage('secret-store:port', null, channels.map(({ port2 }) => port2))
      return window.raw.call('watch')
    },
    seen: () => JSON.stringify(seen, (_, value) => typeof value === 'bigint' ? String(value) : ArrayBuffer.isView(value) ? new TextDecoder().decode(value) : value),
  }
`

const MAIN = `
  const { app, BrowserWindow, ipcMain, protocol } = require('electron')
  const { SecretStore, account, user, rawKey } = require('app-secret-store')
  const { exposeSecrets } = require('app-secret-store/electron')
  const { createServer } = require('node:http')
  const { writeFileSync, mkdirSync, symlinkSync } = require('node:fs')
  const { join } = require('node:path')
  const { pathToFileURL } = require('node:url')
  const lines = []
  const say = (value) => { lines.push(value); writeFileSync(join(app.getPath('userData'), 'said.json'), JSON.stringify(lines)) }
  const end = (code) => app.exit(code)
  const fail = (error) => { say(String(error?.stack ?? error)); end(1) }
  process.on('uncaughtException', fail)
  process.on('unhandledRejection', fail)
  app.on('window-all-closed', () => {})
  protocol.registerSchemesAsPrivileged([{ scheme: 'app', privileges: { standard: true, secure: true } }])
  const BROKEN_INTO = join(__dirname, 'broken-into.cjs')
  const READY = require.resolve('app-secret-store/electron/preload')
  const serve = (html = '<title>page</title>') => new Promise((resolve) => {
    const server = createServer((_, answer) => { answer.setHeader('content-type', 'text/html'); answer.end(html) })
    server.listen(0, '127.0.0.1', () => resolve(server.address().port))
  })
  const open = async (url, webPreferences = { preload: BROKEN_INTO, contextIsolation: false }) => {
    const window = new BrowserWindow({ show: false, webPreferences })
    await window.loadURL(url)
    return window
  }
  const inPage = (page, program) => (page.webContents ?? page).executeJavaScript('(async () => {' + program + '})()')
  const seenIn = (page) => inPage(page, 'return raw.seen()')
  const soon = (ms = 20) => new Promise((resolve) => setTimeout(resolve, ms))
  const places = [[account, 'app/token'], [account, 'hidden'], [user('ada'), 'app/token'], [user('ada'), 'hidden'], [user('bob'), 'app/token']]
  const isOpen = (scope, name) => scope.user !== 'bob' && name.startsWith('app/')
  const kept = (scope, name) => (isOpen(scope, name) ? 'open ' : 'FORBIDDEN ') + (scope.user ?? '-') + ' ' + name
  const limits = { verbs: 'all', scopes: [account, user('ada')], names: [{ prefix: 'app/' }] }
  let store
  /** What is forbidden is as it was, and everything else in order. */
  const checkUnharmed = async (records = places.length) => {
    const report = await store.verify()
    say(['whole', report.ok, records === undefined || report.records === records])
    for (const [scope, name] of places) {
      if (!isOpen(scope, name) && (await store.get({ scope, name })) !== kept(scope, name)) say(['altered', scope, name])
    }
  }
  app.whenReady().then(async () => {
    store = await SecretStore.open(join(app.getPath('userData'), 'secrets'), { key: rawKey(new Uint8Array(32).fill(1)) })
    for (const [scope, name] of places) await store.set({ scope, name, payload: kept(scope, name) })
`

const WHOLE = ['whole', true, true]

/** What a program of the main process says, by `say`. */
async function said(program: string, files: Readonly<Record<string, string>> = {}): Promise<unknown[]> {
  const userData = await mkdtemp(join(tmpdir(), 'secret-store-user-data-'))
  onTestFinished(() => rm(userData, { recursive: true, force: true }))
  const app = await makeApp({
    'main.cjs': `${MAIN} ${program} }).then(() => end(0), fail)`,
    'broken-into.cjs': BROKEN_INTO,
    ...files,
  })
  const soFar = (): Promise<string> => readFile(join(userData, 'said.json'), 'utf8').catch(() => '["nothing"]')
  // Before the folder goes: the last that is asked for is the first that is done.
  onTestFinished(async ({ task }) => {
    if (task.result?.state === 'fail') console.error(`said: ${await soFar()}`)
  })
  const { exitCode, stderr } = await run(app, { userData })
  const lines = await soFar()
  expect(exitCode, `${lines} ${stderr}`).toBe(0)
  return JSON.parse(lines)
}

test('in the default, sandboxed renderer: the preload script that is ready, and one that was bundled', async (context) => {
  needElectron(context)
  const lines = await said(
    `
    const port = await serve()
    exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin: 'http://127.0.0.1:' + port }] })
    const { build } = require(${JSON.stringify(fromRoot('node_modules/esbuild'))})
    const bundle = join(app.getPath('userData'), 'preload.js')
    await build({
      stdin: {
        contents: "import { contextBridge, ipcRenderer } from 'electron'; import { exposeInPreload } from 'app-secret-store/electron'; exposeInPreload(contextBridge, ipcRenderer)",
        resolveDir: __dirname,
      },
      bundle: true, platform: 'node', format: 'cjs', external: ['electron'], outfile: bundle,
    })
    say(require('node:fs').readFileSync(bundle, 'utf8').match(/require\\([^)]*\\)/g))
    for (const preload of [READY, bundle]) {
      const window = await open('http://127.0.0.1:' + port, { preload })
      const { sandbox, contextIsolation, nodeIntegration } = window.webContents.getLastWebPreferences()
      say([sandbox, contextIsolation, nodeIntegration])
      say(await inPage(window, \`
        const changes = []
        const end = await secrets.onChange((change) => changes.push(change.type + ' ' + change.name))
        const target = { scope: { type: 'account' }, name: 'app/new' }
        const set = await secrets.set({ ...target, payload: 'text' })
        const page = await secrets.list({ scope: { type: 'account' }, expand: ['data.payload'] })
        const bytes = await secrets.getBytes(target)
        const deleted = await secrets.delete(target)
        const undone = await secrets.get(target)
        end()
        const error = await secrets.find({ ...target, name: 'hidden' }).catch(String)
        return [typeof require, typeof process, typeof module, set.name, page.data.map(({ payload }) => payload), bytes instanceof Uint8Array,
          bytes.length, deleted.deleted, undone === undefined, changes, error]
      \`))
      window.destroy()
    }
    await checkUnharmed()
  `,
  )
  const [required, ...perScript] = lines
  expect(required).toEqual(['require("electron")'])
  const flags = [true, true, false]
  const page = [
    ...['undefined', 'undefined', 'undefined', 'app/new', ['text', 'open - app/token'], true, 4, true, true],
    ['set app/new', 'delete app/new'],
    'Error: ERR_ACCESS_DENIED: secret: expected one that this view may see, got another',
  ]
  // Chromium leaves out what is the default.
  expect(perScript.filter((_, index) => index % 2 === 1 && index < 4)).toEqual([page, page])
  expect(perScript.at(-1)).toEqual(WHOLE)
  for (const index of [0, 2]) {
    for (const [place, value] of (perScript[index] as unknown[]).entries())
      expect([flags[place], null]).toContain(value)
  }
})

test('a renderer that was broken into: channels, calls and parameters of every form, and what lies beside what is allowed', async (context) => {
  needElectron(context)
  const lines = await said(`
    const port = await serve()
    exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin: 'http://127.0.0.1:' + port }] })
    const window = await open('http://127.0.0.1:' + port)
    say(await inPage(window, \`
      const counts = {}
      const count = (answer) => {
        const key = answer?.rejected ? 'rejected' : answer?.error?.code ?? 'value'
        counts[key] = (counts[key] ?? 0) + 1
        return answer
      }
      for (const channel of ['', 'secret-store', 'secret-store:', 'secret-store:Call', 'secret-store:call ', 'SECRET-STORE:CALL', '__proto__', 'constructor', 'secret-store:change']) {
        count(await raw.invoke(channel, 'get', { scope: { type: 'account' }, name: 'hidden' }))
        raw.ipcRenderer.send(channel, 'get')
        raw.ipcRenderer.postMessage(channel, 'get', [new MessageChannel().port1])
      }
      raw.ipcRenderer.send('secret-store:call', 'get', { scope: { type: 'account' }, name: 'hidden' })
      raw.ipcRenderer.send('secret-store:port', 'watch')
      const channelsEnd = JSON.stringify(counts)
      for (const key of Object.keys(counts)) delete counts[key]
      const circle = {}; circle.circle = circle
      let deep = {}; for (let depth = 0; depth < 2000; depth++) deep = { deep }
      const own = (text) => JSON.parse(text)
      const hole = [1, , 3]
      const malformed = [
        undefined, null, true, 0, -0, NaN, Infinity, 1n, 2n ** 4000n, '', 'x', '\\\\ud800', [], hole, new Array(1e6), {}, circle, deep,
        new Map([['scope', 1]]), new Set([1]), new Date(), new Date(NaN), /x/g, new Error('x'), new RangeError('y'), new ArrayBuffer(8),
        new Uint8Array(8), new Float64Array(8), new DataView(new ArrayBuffer(8)), new BigInt64Array(2), Object('x'), Object(1n), new Blob(['x']),
        own('{"__proto__": {"scope": {"type": "account"}, "name": "hidden"}}'),
        own('{"scope": {"type": "account"}, "name": "hidden", "__proto__": {"allowsName": true}}'),
        own('{"constructor": {"prototype": {"scope": 1}}, "toString": 1, "then": 1, "valueOf": 1}'),
        Object.assign([], { scope: { type: 'account' }, name: 'hidden' }),
      ]
      const calls = ['find', 'get', 'getBytes', 'set', 'delete', 'list', 'watch']
      const account = { type: 'account' }
      let unexpected = []
      for (const bad of malformed) {
        const answers = await Promise.all([
          raw.call(bad, { scope: account, name: 'hidden' }),
          raw.invoke('secret-store:call', bad, bad, bad, bad),
          raw.invoke('secret-store:call'),
          ...calls.filter((name) => name !== 'watch').flatMap((name) => [
            raw.call(name, bad), raw.call(name, { scope: bad, name: 'app/token' }),
            raw.call(name, { scope: { type: 'user', user: bad }, name: 'hidden', payload: 'x' }),
            raw.call(name, { scope: account, name: 'hidden', payload: 'x', expand: bad, as: bad }),
          ]),
          raw.call('set', { scope: account, name: 'app/token', payload: 'x', expires_at: bad ?? 'x' }),
          raw.call('list', { scope: account, limit: bad ?? 'x' }),
          raw.call('list', { scope: account, starting_after: bad ?? 1 }),
        ])
        for (const answer of answers) {
          count(answer)
          if (answer.error === undefined && answer.rejected === undefined) unexpected.push(answer)
        }
      }
      const malformedEnd = Object.keys(counts).filter((outcome) => outcome !== 'rejected').sort()
      for (const key of Object.keys(counts)) delete counts[key]
      const names = ['hidden', 'app', 'App/token', 'APP/token', 'app\\\\u2215token', '\\\\u0430pp/token', 'app\\\\uff0ftoken', '../hidden', 'app\\\\\\\\token', ' app/token', '\\\\u0000app/token', 'a\\\\u0301pp/token', 'hidden/app/']
      const scopes = [account, { type: 'user', user: 'ada' }, { type: 'user', user: 'bob' }, { type: 'user', user: 'Ada' }, { type: 'user', user: 'ada ' }, { type: 'user', user: '__proto__' }]
      for (const scope of scopes) {
        for (const name of [...names, 'app/token']) {
          if (name === 'app/token' && (scope === account || scope.user === 'ada')) continue
          for (const call of ['find', 'get', 'getBytes', 'delete', 'set']) {
            for (const more of [{}, { expand: ['payload'] }]) {
              const answer = await raw.call(call, { scope, name, ...(!call.startsWith('get') && more), ...(call === 'set' && { payload: 'overwritten' }) })
              count(answer)
            }
          }
        }
        if (scope !== account && scope.user !== 'ada') count(await raw.call('list', { scope, expand: ['data.payload'] }))
      }
      const visible = await raw.call('list', { scope: account, limit: 100, expand: ['data.payload'] })
      return { channelsEnd, unexpected, malformedEnd, beside: counts, visible: visible.value.data.map(({ payload }) => payload), more: visible.value.has_more }
    \`))
    say((await seenIn(window)).includes('FORBIDDEN'))
    await checkUnharmed()
  `)
  expect(lines).toEqual([
    {
      channelsEnd: JSON.stringify({ rejected: 9 }),
      unexpected: [],
      malformedEnd: ['ERR_ACCESS_DENIED', 'ERR_CURSOR', 'RangeError', 'TypeError'],
      beside: { ERR_ACCESS_DENIED: expect.any(Number) },
      visible: ['open - app/token'],
      more: false,
    },
    false,
    WHOLE,
  ])
})

test('thousands of calls, of ports and of big messages at once: other windows and the main process go on', async (context) => {
  needElectron(context)
  const lines = await said(`
    const [port, other] = [await serve(), await serve()]
    exposeSecrets(ipcMain, store, { allow: [
      { ...limits, origin: 'http://127.0.0.1:' + port },
      { origin: 'http://127.0.0.1:' + other, verbs: 'all', scopes: [account], names: ['hidden', { prefix: 'friend/' }] },
    ] })
    const flood = await open('http://127.0.0.1:' + port)
    const friend = await open('http://127.0.0.1:' + other, { preload: READY })
    let ticks = 0
    setInterval(() => ticks++, 1)
    const flooding = (program) => {
      let isOver = false
      const over = inPage(flood, program).then((value) => { isOver = true; return value })
      return { over, isOver: () => isOver }
    }
    const friendly = \`
      const changes = []
      const end = await secrets.onChange((change) => changes.push(change.name))
      const got = []
      for (let turn = 0; turn < 10; turn++) {
        const target = { scope: { type: 'account' }, name: 'friend/' + turn }
        await secrets.set({ ...target, payload: 'of ' + turn })
        got.push(await secrets.get(target))
        await secrets.delete(target)
      }
      end()
      return [got.every((payload, turn) => payload === 'of ' + turn), changes.length]
    \`
    const floods = [
      // Calls, allowed and not.
      \`
        const target = { scope: { type: 'account' }, name: 'app/token' }
        const answers = await Promise.all(Array.from({ length: 6000 }, (_, index) => [
          () => raw.call('get', target),
          () => raw.call('list', { scope: { type: 'account' }, expand: ['data.payload'] }),
          () => raw.call('get', { ...target, name: 'hidden' }),
          () => raw.call('set', { ...target, payload: 'open ' + index }),
        ][index % 4]()))
        return [...new Set(answers.map((answer) => answer.error?.code ?? 'value'))].sort()
      \`,
      // Ports, one by one and many at once.
      \`
        const answers = []
        for (let round = 0; round < 20; round++) {
          answers.push(...await Promise.all(Array.from({ length: 100 }, (_, index) => raw.watch(index % 4))))
        }
        return [...new Set(answers.map((answer) => answer.error?.code ?? 'value'))].sort()
      \`,
      // Messages of 50 MB, in every field.
      \`
        const big = 'x'.repeat(50_000_000)
        const account = { type: 'account' }
        const answers = []
        for (const [call, params] of [
          ['find', { scope: account, name: big }], ['find', { scope: { type: 'user', user: big }, name: 'app/token' }],
          ['find', { [big]: 1 }], ['list', { scope: account, starting_after: big }], ['set', { scope: account, name: 'app/big', payload: big }],
          ['set', { scope: account, name: 'app/big', payload: new Uint8Array(50_000_000) }], [big, {}],
          ['find', { scope: account, name: 'app/token', expand: new Array(1_000_000).fill('x') }],
          ['find', Object.fromEntries(Array.from({ length: 200_000 }, (_, index) => ['field' + index, 1]))],
        ]) answers.push((await raw.call(call, params)).error?.code ?? 'value')
        answers.push((await raw.call('find', { scope: account, name: 'app/token' }, big)).error?.code ?? 'value')
        return answers
      \`,
      // Payloads that are big, many times: written, and read.
      \`
        const account = { type: 'account' }
        const payload = 'x'.repeat(8_000_000)
        const writes = await Promise.all(Array.from({ length: 12 }, (_, index) => raw.ipcRenderer.invoke('secret-store:call', 'set', { scope: account, name: 'app/big' + index, payload })))
        // How many of them were too much at once is a matter of speed; now all are there.
        for (let index = 0; index < 12; index++) await raw.call('set', { scope: account, name: 'app/big' + index, payload })
        const reads = await Promise.all(Array.from({ length: 60 }, async () => (await raw.ipcRenderer.invoke('secret-store:call', 'get', { scope: account, name: 'app/big0' })).value?.length))
        const lists = await Promise.all(Array.from({ length: 3 }, async () => (await raw.ipcRenderer.invoke('secret-store:call', 'list', { scope: account, limit: 100, expand: ['data.payload'] }))))
        for (let index = 0; index < 12; index++) await raw.call('delete', { scope: account, name: 'app/big' + index })
        const count = (list) => [...new Set(list)].sort()
        return [count(writes.map((answer) => answer.error?.code ?? 'value')), count(reads), count(lists.map((answer) => answer.error?.code ?? 'value'))]
      \`,
    ]
    for (const program of floods) {
      const before = ticks
      const attack = flooding(program)
      const [isRight, changes] = await inPage(friend, friendly)
      const wasFirst = !attack.isOver()
      const outcome = await attack.over
      say([isRight, changes === 20, ticks > before, outcome])
    }
    say((await seenIn(flood)).includes('FORBIDDEN'))
    flood.destroy()
    friend.destroy()
    await checkUnharmed()
  `)
  expect(lines).toEqual([
    [true, true, true, ['ERR_ACCESS_DENIED', 'ERR_BUSY', 'value']],
    [true, true, true, ['TypeError', 'value']],
    [
      ...[true, true, true],
      [
        'RangeError',
        'RangeError',
        'TypeError',
        'RangeError',
        'RangeError',
        'RangeError',
        'TypeError',
        'TypeError',
        'TypeError',
        'value',
      ],
    ],
    [true, true, true, [['ERR_BUSY', 'value'], [8_000_000], ['RangeError']]],
    false,
    WHOLE,
  ])
})

test('a frame that goes to another origin: neither page gets what is the other one’s', async (context) => {
  needElectron(context)
  const lines = await said(`
    const [mine, theirs] = [await serve(), await serve()]
    exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin: 'http://127.0.0.1:' + mine }] })
    const from = 'http://127.0.0.1:' + mine + '/'
    let writes = 0
    const timer = setInterval(() => {
      for (let turn = 0; turn < 3; turn++) store.set({ scope: account, name: 'app/token', payload: 'open ' + writes++ })
    }, 1)
    const leave = async (window, url) => {
      const loaded = new Promise((resolve) => window.webContents.once('did-finish-load', resolve))
      await inPage(window, 'setTimeout(() => { location.href = ' + JSON.stringify(url) + ' })')
      await loaded
      await soon()
    }
    // The same process, and the same frame of it, is used for another port; another one for another host.
    for (const host of ['127.0.0.1', 'localhost']) {
      let told = 0
      let stolen = ''
      for (let round = 0; round < 6; round++) {
        const window = await open(from)
        await inPage(window, \`
          await raw.watch()
          const call = () => raw.call('get', { scope: { type: 'account' }, name: 'app/token' })
          for (let turn = 0; turn < 100; turn++) call()
          await call()
          for (const event of ['beforeunload', 'pagehide', 'visibilitychange', 'unload']) addEventListener(event, () => { for (let turn = 0; turn < 50; turn++) call() })
          setInterval(call)
        \`)
        await soon(10)
        told += JSON.parse(await seenIn(window)).filter((message) => message.type === 'set').length
        await leave(window, 'http://' + host + ':' + theirs + '/')
        const { error } = await inPage(window, "return raw.call('get', { scope: { type: 'account' }, name: 'app/token' })")
        say(error?.code)
        stolen += (await seenIn(window)).replace(JSON.stringify({ error }), '')
        window.destroy()
      }
      say([told > 0, stolen.replace(/[\\[\\],]/g, '')])
    }
    clearInterval(timer)
    // And the other way: what a page says as it goes is not taken for what the next one says.
    for (const host of ['127.0.0.1', 'localhost']) {
      for (let round = 0; round < 6; round++) {
        const window = await open('http://' + host + ':' + theirs + '/')
        await inPage(window, \`
          const attack = () => {
            for (let turn = 0; turn < 50; turn++) {
              raw.call('set', { scope: { type: 'account' }, name: 'app/stolen', payload: 'x' })
              raw.call('delete', { scope: { type: 'account' }, name: 'app/token' })
            }
            raw.watch()
          }
          for (const event of ['beforeunload', 'pagehide', 'visibilitychange', 'unload']) addEventListener(event, attack)
          setInterval(attack)
        \`)
        await leave(window, from)
        say(await inPage(window, "return (await raw.call('get', { scope: { type: 'account' }, name: 'app/token' })).value !== undefined"))
        window.destroy()
      }
    }
    say(await store.get({ scope: account, name: 'app/stolen' }) === undefined)
    await checkUnharmed()
  `)
  const denied = Array(6).fill('ERR_ACCESS_DENIED')
  expect(lines).toEqual([...denied, [true, ''], ...denied, [true, ''], ...Array(12).fill(true), true, WHOLE])
})

test('frames within a page, and windows that it opens', async (context) => {
  needElectron(context)
  const lines = await said(`
    const [port, other] = [await serve(), await serve()]
    const origin = 'http://127.0.0.1:' + port
    const ask = "return raw.call('get', { scope: { type: 'account' }, name: 'app/token' }).then(({ value, error }) => value ? 'let in' : error.code)"
    const framesOf = async (url, others) => {
      const window = await open(url, { preload: BROKEN_INTO, contextIsolation: false, nodeIntegrationInSubFrames: true })
      await inPage(window, \`
        const add = (attributes) => new Promise((resolve) => {
          const frame = document.createElement('iframe')
          for (const [name, value] of Object.entries(attributes)) frame.setAttribute(name, value)
          frame.onload = resolve
          document.body.append(frame)
        })
        for (const attributes of \${JSON.stringify(others)}) await add({ ...attributes })
      \`)
      await soon(100)
      const answers = {}
      for (const frame of window.webContents.mainFrame.framesInSubtree) {
        const name = frame.name || 'main'
        answers[name] = await inPage(frame, 'return typeof raw').catch(() => 'gone') === 'object' ? await inPage(frame, ask) : 'no preload'
        if (answers[name] !== 'let in' && answers[name] !== 'no preload' && (await seenIn(frame)).includes('open')) answers[name] = 'seen'
      }
      window.destroy()
      return answers
    }
    const within = (own, another) => [
      { name: 'own', src: own },
      { name: 'other port', src: another },
      { name: 'other host', src: another.replace('127.0.0.1', 'localhost') },
      { name: 'blank', src: 'about:blank' },
      { name: 'srcdoc', srcdoc: 'text' },
      { name: 'data', src: 'data:text/html,text' },
      { name: 'sandboxed', src: own, sandbox: 'allow-scripts' },
      { name: 'sandboxed srcdoc', srcdoc: 'text', sandbox: 'allow-scripts' },
      { name: 'blob', src: 'data:text/html,x' },
    ]
    const [own, another] = [origin + '/', 'http://127.0.0.1:' + other + '/']
    for (const frames of ['main', 'all']) {
      const endIt = exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin, frames }] })
      say([frames, await framesOf(own, within(own, another))])
      // The granted page in a page that is hostile.
      say([frames, 'within another', await framesOf(another, [{ name: 'own', src: own }])])
      endIt()
    }
    exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin }] })
    // A page of another origin that opens windows, of its own and of the page that is allowed, and reaches into them.
    const window = await open(another)
    window.webContents.setWindowOpenHandler(() => ({
      action: 'allow',
      overrideBrowserWindowOptions: { show: false, webPreferences: { preload: BROKEN_INTO, contextIsolation: false } },
    }))
    say(await inPage(window, \`
      const reach = async (url) => {
        const opened = window.open(url)
        await new Promise((resolve) => setTimeout(resolve, 300))
        try { return await opened.raw.call('get', { scope: { type: 'account' }, name: 'app/token' }).then(({ error }) => error?.code ?? 'let in') } catch (error) { return error.name }
      }
      return [await reach('about:blank'), await reach(location.href), await reach(\${JSON.stringify(own)}), await reach(\${JSON.stringify(own.replace('127.0.0.1', 'localhost'))}), await reach('data:text/html,x'), await reach('javascript:void 0')]
    \`))
    for (const each of BrowserWindow.getAllWindows()) each.destroy()
    await checkUnharmed()
  `)
  const denied = 'ERR_ACCESS_DENIED'
  const everywhere = {
    ...{ main: 'let in', own: denied, blank: 'no preload', srcdoc: denied },
    ...{
      'other port': denied,
      'other host': denied,
      data: denied,
      sandboxed: denied,
      'sandboxed srcdoc': denied,
      blob: denied,
    },
  }
  expect(lines).toEqual([
    ['main', everywhere],
    ['main', 'within another', { main: denied, own: denied }],
    ['all', { ...everywhere, own: 'let in', srcdoc: 'let in' }],
    ['all', 'within another', { main: denied, own: denied }],
    [denied, denied, 'SecurityError', 'SecurityError', 'TypeError', 'TypeError'],
    WHOLE,
  ])
})

test('an origin of the app’s own: of a scheme that is registered as a standard one', async (context) => {
  needElectron(context)
  const lines = await said(`
    for (const scheme of ['app', 'plain']) {
      protocol.handle(scheme, () => new Response('<title>page</title>', { headers: { 'content-type': 'text/html' } }))
    }
    exposeSecrets(ipcMain, store, { allow: [
      { ...limits, origin: 'app://notes' }, { ...limits, origin: 'plain://notes' }, { ...limits, page: 'app://pages/index.html' },
    ] })
    for (const url of ['app://notes/index.html', 'app://NOTES/a?b', 'app://pages/index.html?a#b', 'app://pages/other.html', 'app://other/', 'plain://notes/index.html']) {
      const window = await open(url, { preload: READY })
      say(await inPage(window, "return secrets.get({ scope: { type: 'account' }, name: 'app/token' }).then(() => 'let in', (error) => error.message.split(':')[0])"))
      window.destroy()
    }
    await checkUnharmed()
  `)
  const denied = 'ERR_ACCESS_DENIED'
  expect(lines).toEqual(['let in', 'let in', 'let in', denied, denied, denied, WHOLE])
})

test('files other than the one that is allowed, and pages that call themselves otherwise', async (context) => {
  needElectron(context)
  const lines = await said(`
    const folder = join(app.getPath('userData'), "the app's [pages] ~ (é) + & = @ ; , ! $")
    mkdirSync(join(folder, 'sub'), { recursive: true })
    for (const name of ['index.html', 'evil.html', 'INDEX.html', 'sub/index.html']) writeFileSync(join(folder, name), '<title>' + name + '</title>')
    symlinkSync(folder, join(app.getPath('userData'), 'link'))
    symlinkSync(join(folder, 'index.html'), join(folder, 'linked.html'))
    const page = pathToFileURL(join(folder, 'index.html')).href
    const http = await serve()
    exposeSecrets(ipcMain, store, { allow: [
      { ...limits, page },
      { ...limits, page: 'http://127.0.0.1:' + http + '/app' },
    ] })
    const ready = { preload: READY }
    const ask = "return secrets.get({ scope: { type: 'account' }, name: 'app/token' }).then((value) => value ? 'let in' : value, (error) => error.message.split(':')[0])"
    const window = await open(page, ready)
    // What a trick has begun may be in the way, and so may a busy machine.
    const load = async (url) => {
      await window.loadURL(url).catch((error) => {
        if (!['ERR_ABORTED', 'ERR_FAILED'].includes(error.code)) throw error
        return window.loadURL(url)
      })
      // The next loadURL takes events that come late for its own.
      while (window.webContents.isLoading()) await soon(5)
    }
    // A page that is left answers never. Then the trick was not tried.
    const orLeft = (answer) => new Promise((resolve, reject) => {
      const leave = () => resolve('left')
      window.webContents.once('did-navigate', leave)
      answer.then(resolve, reject).finally(() => window.webContents.off('did-navigate', leave))
    })
    const at = async (url, program = '') => {
      for (let tries = 1; ; tries += 1) {
        await load('about:blank')
        await load(url)
        const said = await orLeft(inPage(window, program + ';' + ask))
        if (said !== 'left' || tries === 5) return said
      }
    }
    say([await at(page), await at(page + '?query#fragment'), await at(page.replace('/index', '/./sub/../index')), await at(page.replace('file:///', 'file:////'))])
    // loadFile says the same.
    await window.loadFile(join(folder, 'index.html'))
    say(await inPage(window, ask))
    const others = [
      page.replace('file://', 'file://localhost'),
      page.replace('index.html', 'evil.html'), page.replace('index.html', 'INDEX.html'), page.replace('index.html', 'sub/index.html'),
      page.replace('index.html', 'linked.html'), page.replace(/[^/]+\\/index.html/, 'link/index.html'), page.replace('index', '%69ndex'),
      page.replace('/index.html', '//index.html'), page.replace('index.html', 'sub%2F..%2Findex.html'),
      'data:text/html,' + page, 'about:blank#' + page, 'http://127.0.0.1:' + http + '/' + page, 'http://127.0.0.1:' + http + '/other',
    ]
    for (const url of others) say(await at(url).catch((error) => error.code))
    const evil = page.replace('index.html', 'evil.html')
    const tricks = [
      "history.pushState(null, '', " + JSON.stringify(page) + ")",
      "history.replaceState(null, '', " + JSON.stringify(page) + ")",
      "history.pushState(null, '', " + JSON.stringify(page) + "); try { await secrets.onChange(() => {}); return 'listens' } catch (error) { void error }",
      "document.head.innerHTML = '<base href=' + JSON.stringify(" + JSON.stringify(page) + ") + '>'",
      "try { document.domain = 'localhost' } catch { }",
      "try { navigation.navigate(" + JSON.stringify(page) + ", { history: 'replace' }) } catch { } ; window.stop()",
      "try { Object.defineProperty(window, 'location', { value: { href: " + JSON.stringify(page) + " } }) } catch { } ; document.open(); document.write('x'); document.close()",
      "try { Object.defineProperty(Object.getPrototypeOf(location), 'href', { get: () => " + JSON.stringify(page) + " }) } catch { }",
    ]
    for (const trick of tricks) say(await at(evil, trick))
    say(await at(evil, "history.pushState(null, '', " + JSON.stringify(page) + "); await new Promise((resolve) => setTimeout(resolve, 50)); document.title = location.href === " + JSON.stringify(page)))
    say([await inPage(window, 'return document.title'), window.webContents.mainFrame.url === page])
    // On a server, too: the page that was loaded counts.
    say(await at('http://127.0.0.1:' + http + '/app'))
    say(await at('http://127.0.0.1:' + http + '/other', "history.pushState(null, '', '/app')"))
    say(await at('http://127.0.0.1:' + http + '/app', "history.pushState(null, '', '/other')"))
    window.destroy()
    await checkUnharmed()
  `)
  const denied = 'ERR_ACCESS_DENIED'
  expect(lines).toEqual([
    ['let in', 'let in', 'let in', 'let in'],
    'let in',
    ...Array(13).fill(expect.stringMatching(/^ERR_(ACCESS_DENIED|FAILED)$/)),
    ...Array(8).fill(denied),
    denied,
    ['true', true],
    'let in',
    denied,
    denied,
    WHOLE,
  ])
})

test('a page that changes what is built in, or throws, gets hold of nothing by it', async (context) => {
  needElectron(context)
  const lines = await said(`
    const port = await serve()
    exposeSecrets(ipcMain, store, { allow: [{ ...limits, origin: 'http://127.0.0.1:' + port }] })
    const window = await open('http://127.0.0.1:' + port, { preload: READY })
    say(await inPage(window, \`
      let caught
      const keep = (value) => { caught = { __proto__: null, value, before: caught } }
      const spy = (object, name) => {
        const original = object[name]
        try { object[name] = function (...args) { keep(this); for (let index = 0; index < args.length; index++) keep(args[index]); return original.apply(this, args) } } catch { }
      }
      const given = secrets
      const overwrites = []
      for (const work of [() => { window.secrets = {} }, () => { 'use strict'; delete window.secrets }, () => { secrets.get = () => 'mine' }, () => { Object.defineProperty(window, 'secrets', { value: 1 }) }]) {
        try { work() } catch { }
        overwrites.push(window.secrets === given)
      }
      for (const [object, names] of [
        [Promise.prototype, ['then', 'catch', 'finally']], [Array.prototype, ['push', 'map', 'forEach', Symbol.iterator]], [Map.prototype, ['get', 'set', 'has']],
        [Set.prototype, ['add', 'delete']], [Function.prototype, ['call', 'apply', 'bind']], [JSON, ['stringify', 'parse']], [Object, ['keys', 'assign', 'defineProperty', 'create']],
        [Reflect, ['apply', 'get']], [EventTarget.prototype, ['addEventListener', 'dispatchEvent']], [MessagePort.prototype, ['postMessage', 'start']], [window, ['MessageChannel', 'Promise', 'Error', 'setTimeout', 'Set']],
      ]) {
        if (object === Function.prototype || object === Reflect) continue // what the spies themselves use
        for (const name of names) spy(object, name)
      }
      for (const name of ['value', 'error', 'payload', 'expand', 'ipcRenderer', 'sender', 'type', 'scope', 'then']) {
        Object.defineProperty(Object.prototype, name, { __proto__: null, configurable: true, set(value) { keep(this); keep(value) }, get() { keep(this); return undefined } })
      }
      Object.defineProperty(Array.prototype, 0, { __proto__: null, configurable: true, set(value) { keep(this); keep(value) } })
      const account = { __proto__: null, type: 'account' }
      let outcomes = ''
      for (const work of [
        () => given.get({ __proto__: null, scope: account, name: 'app/token' }),
        () => given.get({ __proto__: null, scope: account, name: 'hidden' }),
        () => given.list({ __proto__: null, scope: account }),
        () => given.onChange(() => { throw new Error('mine') }),
        () => given.set({ __proto__: null, scope: account, name: 'app/token', payload: 'open again' }),
        () => given.get(() => {}),
        () => given.get(new Proxy({}, { get() { throw new Error('mine') }, ownKeys() { throw new Error('mine') } })),
        () => given.get({ get scope() { throw new Error('mine') } }),
        () => given.onChange({}),
        () => given.onChange(),
        () => given.get.call({ ipcRenderer: 1 }, { scope: account, name: 'hidden' }),
        () => new given.get({ scope: account, name: 'hidden' }),
        () => given.get.constructor('return process')(),
        () => given.get.constructor('return require')(),
      ]) {
        let outcome
        try { outcome = [await work()] } catch (error) { outcome = String(error.message) }
        outcomes += (typeof outcome === 'string' ? outcome.split(':')[0] : 'value') + '; '
      }
      for (const name of ['value', 'error', 'payload', 'expand', 'ipcRenderer', 'sender', 'type', 'scope', 'then']) delete Object.prototype[name]
      delete Array.prototype[0]
      let [reaches, forbidden, count] = [false, false, 0]
      for (; caught; caught = caught.before, count++) {
        try { if ('invoke' in caught.value || 'postMessage' in caught.value && !(caught.value instanceof Window)) reaches = true } catch { }
        try { if (String(caught.value).includes('FORBIDDEN') || caught.value.payload?.includes('FORBIDDEN')) forbidden = true } catch { }
      }
      return { overwrites, outcomes, reaches, forbidden }
    \`))
    const after = await open('http://127.0.0.1:' + port, { preload: READY })
    say(await inPage(after, "return secrets.get({ scope: { type: 'account' }, name: 'app/token' })"))
    for (const each of [window, after]) each.destroy()
    await checkUnharmed()
  `)
  const denied = 'ERR_ACCESS_DENIED'
  const [uncloned, mistake] = ['An object could not be cloned.', 'TypeError']
  const outcomes = [
    ...['value', denied, 'value', 'value', 'value', mistake, uncloned, mistake, mistake, mistake, denied, denied],
    ...['process is not defined', 'require is not defined', ''],
  ].join('; ')
  expect(lines).toEqual([
    { overwrites: [true, true, true, true], outcomes, reaches: false, forbidden: false },
    'open again',
    WHOLE,
  ])
})

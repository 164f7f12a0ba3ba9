import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { KeyringSession } from '../support/keyring-session'
import { fromRoot } from '../support/paths'
import {
  launch,
  makeApp,
  needElectron,
  needKeyring,
  packageApp,
  run,
  useElectron,
  userDataFolder,
} from '../system/electron/harness'

useElectron()

/** The blocks of a language in docs/electron.md, the first of them first. */
async function blocks(language: string): Promise<string[]> {
  const text = await readFile(fromRoot('docs/electron.md'), 'utf8')
  return [...text.matchAll(new RegExp(`^\`\`\`${language}\n([\\s\\S]*?)^\`\`\`$`, 'gm'))].map(
    ([, code]) => code as string,
  )
}

test('the app of docs/electron.md: it offers a code, and its page uses the store', async (context) => {
  needElectron(context)
  needKeyring(context)
  const [main = '', renderer = ''] = await blocks('javascript')
  const [page = ''] = await blocks('html')
  expect(main).toMatch(/^\/\/ main\.mjs/)
  expect(renderer).toMatch(/^\/\/ pages\/renderer\.js/)
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  // In place of somebody who presses the first button.
  const answer = `import { dialog as asked } from 'electron'
    asked.showMessageBox = async (options) => { globalThis.shown = options; return { response: 0 } }\n`
  const app = await makeApp({
    'package.json': JSON.stringify({ name: 'docs', main: 'main.mjs' }),
    'main.mjs': answer + main,
    'pages/renderer.js': renderer,
    'pages/index.html': page,
  })
  // Packaged, since it is then that Electron waits for the module before it is ready.
  const program = await packageApp(app)
  const running = await launch(undefined, { program, userData, env, switches: ['--password-store=gnome-libsecret'] })
  const window = await running.firstWindow()
  await window.locator('output').filter({ hasText: 'example' }).waitFor()
  const shown = await running.evaluate(() => (globalThis as { shown?: unknown }).shown)
  expect(shown).toMatchObject({ message: expect.stringMatching(/^Write this down: ([A-Z0-9]{5}-){7}[A-Z0-9]{5}$/) })
  const denied = await window.evaluate(async () => {
    const { secrets } = globalThis as unknown as {
      secrets: { find(params: object): Promise<unknown>; delete(params: object): Promise<unknown> }
    }
    const token = { scope: { type: 'account' }, name: 'token' }
    const errors = [secrets.delete(token), secrets.find({ ...token, name: 'other' })].map((call) =>
      call.then(
        () => 'answered',
        (error: Error) => error.message.split(':')[0],
      ),
    )
    return Promise.all(errors)
  })
  expect(denied).toEqual(['ERR_ACCESS_DENIED', 'ERR_ACCESS_DENIED'])
  await running.close()
  const { slots } = JSON.parse(await readFile(join(userData, 'secrets/keyring.json'), 'utf8'))
  expect(slots.map(({ kind }: { kind: string }) => kind)).toEqual(['safe-storage', 'recovery-code'])
})

test('the utility process of docs/electron.md opens the store of main, and both end', async (context) => {
  needElectron(context)
  needKeyring(context)
  const [, , shared = '', utility = ''] = await blocks('javascript')
  expect(shared).toMatch(/^\/\/ shared\.mjs/)
  expect(utility).toMatch(/^\/\/ utility\.mjs/)
  const userData = await userDataFolder()
  const { env } = await KeyringSession.start('unlocked')
  const main = `
    import { join } from 'node:path'
    import { app } from 'electron'
    import { account } from 'app-secret-store'
    import { openShared, startUtility } from './shared.mjs'
    app.whenReady().then(async () => {
      const store = await openShared({ offerRecoveryCode: () => true })
      startUtility(join(import.meta.dirname, 'utility.mjs')).on('message', async (said) => {
        console.log('said', said)
        if (said !== 'open') return app.quit()
        console.log('said', await store.get({ scope: account, name: 'from-utility' }))
        await store.set({ scope: account, name: 'from-main', payload: 'example' })
      })
    })
  `
  const app = await makeApp({
    'package.json': JSON.stringify({ name: 'docs', main: 'main.mjs' }),
    'main.mjs': main,
    'shared.mjs': shared,
    'utility.mjs': utility,
  })
  const { exitCode, stdout, stderr } = await run(app, {
    userData,
    env,
    switches: ['--password-store=gnome-libsecret'],
  })
  expect(
    stdout.split('\n').filter((line) => line.startsWith('said')),
    stderr,
  ).toEqual(['said open', 'said example', 'said set from-main'])
  expect(exitCode).toBe(0)
  expect((await readdir(join(userData, 'secrets'))).sort()).toEqual(['data', 'keyring.json'])
})

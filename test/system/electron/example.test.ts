import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { recoveryCode, SecretStore } from '../../../src/index'
import { urlFromRoot } from '../../support/paths'
import { filesOf } from '../../support/stores'
import { add, Computer, names, needExample, newWindow, nextWindow, press, screenshot } from './example-app'
import { type Page, useElectron } from './harness'

/** examples/electron, from end to end. */

useElectron()

/** Everything that is in the page, and in its fields. */
async function everything(page: Page): Promise<string> {
  return page.evaluate<string>(
    `document.documentElement.outerHTML + [...document.querySelectorAll('input')].map(({ value }) => value)`,
  )
}

test('adds, lists, reveals, hides and deletes; a payload is in the page while it is to be seen', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await page.getByText('None yet.').waitFor()
  await screenshot(page, 'empty-light')
  await add(page, { name: 'b', payload: 'payload of b' })
  await page.getByText('b is saved.').waitFor()
  await add(page, { name: 'a', payload: 'payload of a' })
  await page.getByText('a is saved.').waitFor()
  expect(await names(page)).toEqual(['a', 'b'])
  expect(await page.getByText('None yet.').isVisible()).toBe(false)
  expect(await page.evaluate('document.activeElement.id')).toBe('name')
  expect(await everything(page)).not.toContain('payload of')

  await press(page, 'Reveal b')
  await page.getByText('payload of b').waitFor()
  expect(await everything(page)).not.toContain('payload of a')
  await press(page, 'Hide b')
  expect(await everything(page)).not.toContain('payload of')

  await press(page, 'Delete b')
  await press(page, 'Cancel')
  expect(await names(page)).toEqual(['a', 'b'])
  await press(page, 'Delete b')
  await page.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await page.getByText('b is deleted.').waitFor()
  expect(await names(page)).toEqual(['a'])
})

test('what is revealed is hidden after 30 s', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await page.clock.install()
  await add(page, { name: 'a', payload: 'payload of a' })
  await press(page, 'Reveal a')
  await page.getByText('payload of a').waitFor()
  await page.clock.fastForward(29_000)
  expect(await everything(page)).toContain('payload of a')
  await page.clock.fastForward(2000)
  expect(await everything(page)).not.toContain('payload of a')
  expect(await page.getByRole('button', { name: 'Reveal a' }).getAttribute('aria-expanded')).toBe('false')
})

test('copies without a payload in the page, counts down, and takes it out of the clipboard again', async (context) => {
  needExample(context)
  const { app, page } = await (await Computer.make()).startNew()
  const clipboard = (): Promise<string> => app.evaluate(({ clipboard }) => clipboard.readText())
  await add(page, { name: 'a', payload: 'payload of a' })
  await add(page, { name: 'b', payload: 'payload of b' })
  await page.getByText('b is saved.').waitFor()
  // The process of the app has timers of its own.
  await app.evaluate(() => {
    const real = globalThis.setTimeout
    Object.assign(globalThis, { hurried: [] as (() => void)[] })
    globalThis.setTimeout = ((work: () => void, ms: number) =>
      ms === 30_000
        ? void (globalThis as unknown as { hurried: (() => void)[] }).hurried.push(work)
        : real(work, ms)) as never
  })
  const hurry = (): Promise<void> =>
    app.evaluate(() => {
      for (const work of (globalThis as unknown as { hurried: (() => void)[] }).hurried.splice(0)) work()
    })

  await press(page, 'Copy a')
  await page.getByRole('button', { name: /^Copied, (30|29) s a$/ }).waitFor()
  await page.getByRole('button', { name: /^Copied, 2[0-8] s a$/ }).waitFor()
  expect(await clipboard()).toBe('payload of a')
  expect(await everything(page)).not.toContain('payload of')
  await hurry()
  expect(await clipboard()).toBe('')

  await press(page, 'Copy b')
  await expect.poll(clipboard).toBe('payload of b')
  await app.evaluate(({ clipboard }) => clipboard.writeText('of somebody else'))
  await hurry()
  expect(await clipboard()).toBe('of somebody else')
})

test('searches by name, also what is not loaded yet', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await page.getByText('None yet.').waitFor()
  await page.evaluate(`Promise.all(Array.from({ length: 90 }, (_, i) => window.secrets.set({
    scope: { type: 'account' }, name: (i % 30 === 29 ? 'Needle ' : 'key ') + String(i).padStart(2, '0'), payload: 'x',
  })))`)
  await page.reload()
  await page.getByRole('button', { name: 'Load more' }).waitFor()
  const shown = (): Promise<string[]> => page.locator('#list li:not([hidden]) .name').allTextContents()
  await page.getByLabel('Search by name').fill('KEY 8')
  await expect.poll(shown).toEqual(Array.from({ length: 9 }, (_, i) => `key 8${i}`))
  await page.getByLabel('Search by name').fill('needle')
  await expect.poll(shown).toEqual(['Needle 29', 'Needle 59', 'Needle 89'])
  await page.getByLabel('Search by name').fill('nothing')
  await page.getByText('No name has that in it.').waitFor()
  await page.getByLabel('Search by name').fill('')
  await expect.poll(async () => (await shown()).length).toBe(90)
})

test('edits a secret, whose expiry stays unless another is given', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await add(page, { name: 'token', payload: 'old payload', amount: 3 })
  await page.getByText('token is saved.').waitFor()
  const found = () =>
    page.evaluate<{ expires_at: number }>(`window.secrets.find({ scope: { type: 'account' }, name: 'token' })`)
  const { expires_at } = await found()
  await press(page, 'Edit token')
  await page.getByText('Edit a secret').waitFor()
  expect(await page.getByLabel('Secret', { exact: true }).inputValue()).toBe('old payload')
  await page.getByLabel('Secret', { exact: true }).fill('new payload')
  await press(page, 'Save')
  await page.getByText('Add a secret').waitFor()
  expect(await page.evaluate(`window.secrets.get({ scope: { type: 'account' }, name: 'token' })`)).toBe('new payload')
  expect((await found()).expires_at).toBe(expires_at)
  expect(await everything(page)).not.toContain('new payload')

  await press(page, 'Edit token')
  await page.getByText('Edit a secret').waitFor()
  await page.getByRole('button', { name: 'Cancel' }).click()
  await page.getByText('Add a secret').waitFor()
  expect(await everything(page)).not.toContain('new payload')
  await page.evaluate(`window.secrets.set({ scope: { type: 'account' }, name: 'lines', payload: 'one\\ntwo' })`)
  await press(page, 'Edit lines')
  await page.getByText('lines has several lines, and cannot be edited here.').waitFor()
  expect(await everything(page)).not.toContain('onetwo')
})

test('what is said covers nothing, and two days are two days', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await page.evaluate(`Promise.all(Array.from({ length: 20 }, (_, i) => window.secrets.set({
    scope: { type: 'account' }, name: 'key ' + i, payload: 'x',
  })))`)
  await add(page, { name: 'two days', payload: 'x', amount: 2 })
  await page.getByText('two days is saved.').waitFor()
  const covered = `(() => {
    const said = document.getElementById('status').getBoundingClientRect()
    const main = document.querySelector('main').getBoundingClientRect()
    return [said.height > 20, main.bottom <= said.top + 1, said.bottom <= innerHeight]
  })()`
  expect(await page.evaluate(covered)).toEqual([true, true, true])
  await new Promise((resolve) => setTimeout(resolve, 2500))
  expect(await page.locator('li', { hasText: 'two days' }).textContent()).toContain('expires in 2 days')
})

test('counts down to the expiry, and what has expired goes', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  const row = (name: string) => page.locator('li', { hasText: name })
  await add(page, { name: 'gone', payload: 'x', amount: 2, unit: 'seconds' })
  await row('gone')
    .getByText(/expires in [123] s$/)
    .waitFor()
  await page.getByText('gone has expired.').waitFor()
  expect(await names(page)).toEqual([])

  await add(page, { name: 'long', payload: 'x', amount: 3, unit: 'days' })
  await add(page, { name: 'brief', payload: 'x', amount: 90, unit: 'seconds' })
  await add(page, { name: 'never', payload: 'x' })
  await row('long')
    .getByText(/expires in [23] days$/)
    .waitFor()
  await row('brief')
    .getByText(/expires in 1 min \d+ s$/)
    .waitFor()
  expect(await row('never').textContent()).not.toContain('expires')
  await page.clock.install()
  await page.clock.fastForward(60_000)
  await row('brief')
    .getByText(/expires in \d+ s$/)
    .waitFor()
  // By the page's clock alone: the store goes by its own.
  await page.clock.fastForward(60_000)
  await row('brief')
    .getByText(/expired$/)
    .waitFor()
})

test('asks before it replaces, and hides what was revealed of the old one', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await add(page, { name: 'token', payload: 'old payload' })
  await press(page, 'Reveal token')
  await page.getByText('old payload').waitFor()
  await add(page, { name: 'token', payload: 'new payload' })
  await press(page, 'Cancel')
  expect(await page.evaluate(`window.secrets.get({ scope: { type: 'account' }, name: 'token' })`)).toBe('old payload')
  await press(page, 'Add')
  await press(page, 'Replace')
  // Well before the 30 s are over, after which it would be hidden anyway.
  await page.locator('.payload:not([hidden])').waitFor({ state: 'detached', timeout: 10_000 })
  expect(await everything(page)).not.toContain('old payload')
  await press(page, 'Reveal token')
  await page.getByText('new payload').waitFor()
  expect(await names(page)).toEqual(['token'])
})

test('two windows are in step', async (context) => {
  needExample(context)
  const { app, page: one } = await (await Computer.make()).startNew()
  const two = await newWindow(app)
  await two.getByText('None yet.').waitFor()
  for (const name of ['c', 'a', 'b']) await add(one, { name, payload: `payload of ${name}` })
  await add(two, { name: 'brief', payload: 'x', amount: 2, unit: 'seconds' })
  await expect.poll(() => names(two)).toEqual(['a', 'b', 'brief', 'c'])
  await expect.poll(() => names(one)).toEqual(['a', 'b', 'brief', 'c'])
  for (const page of [one, two]) await page.getByText('brief has expired.').waitFor()

  // The dialog of one is about what the other deletes.
  await press(one, 'Delete b')
  await press(two, 'Delete b')
  await two.getByRole('alertdialog').getByRole('button', { name: 'Delete' }).click()
  await one.getByText('b is deleted.').waitFor()
  expect(await one.getByRole('alertdialog').isVisible()).toBe(false)
  expect(await one.evaluate(`document.activeElement.querySelector('.name').textContent`)).toBe('c')
  for (const page of [one, two]) expect(await names(page)).toEqual(['a', 'c'])
})

test('pages of 25, with changes before, within and behind them', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  await page.evaluate(`Promise.all(Array.from({ length: 60 }, (_, i) => window.secrets.set({
    scope: { type: 'account' }, name: 'key ' + String(i).padStart(2, '0'), payload: 'x',
  })))`)
  await page.reload()
  await page.getByRole('button', { name: 'Load more' }).waitFor()
  expect(await names(page)).toHaveLength(25)

  const change = (verb: string, name: string) =>
    page.evaluate(
      `window.secrets.${verb}({ scope: { type: 'account' }, name: '${name}', ${
        verb === 'set' ? "payload: 'x'" : ''
      } })`,
    )
  await change('set', 'key 24a') // behind the page
  await change('set', 'key 00a') // within it
  await change('delete', 'key 24') // its last one, which is the cursor
  await page.getByText('key 24 is deleted.').waitFor()
  expect(await names(page)).toHaveLength(25)
  await press(page, 'Load more')
  await page.locator('#list li').nth(49).waitFor()
  expect(await page.evaluate(`document.activeElement.querySelector('.name').textContent`)).toBe('key 24a')
  await press(page, 'Load more')
  await page.getByText('key 59').waitFor()
  expect(await page.getByRole('button', { name: 'Load more' }).isVisible()).toBe(false)
  const all = await names(page)
  expect(all).toHaveLength(61)
  expect(all).toEqual([...new Set(all)].sort())
})

test('goes on behind a last row that has expired in the meantime', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  // Its clock stands, so that the page does not look for what has expired, as it would within a second.
  await page.clock.install()
  await page.clock.pauseAt(Date.now() + 1000)
  await page.evaluate(`Promise.all(Array.from({ length: 30 }, (_, i) => window.secrets.set({
    scope: { type: 'account' }, name: 'key ' + String(i).padStart(2, '0'), payload: 'x',
    expires_at: i === 24 ? ${Math.ceil(Date.now() / 1000) + 2} : null,
  })))`)
  await page.reload()
  await page.getByText('key 24').waitFor()
  await new Promise((resolve) => setTimeout(resolve, 3000))
  await press(page, 'Load more')
  await page.getByText('key 29').waitFor()
  expect(await names(page)).toHaveLength(29)
  expect(await names(page)).not.toContain('key 24')
})

const HOSTILE = [
  '<img src=x onerror="window.harmed = true">',
  '</h3><script>window.harmed = true</script>',
  'invoice \u202egnp.exe',
  'מפתח סודי',
  '__proto__',
  'two\nlines',
  '𝒳 after',
  '\uffee before it in UTF-8, behind it in UTF-16',
  'W'.repeat(5000),
]

test('names are shown as text, whatever is in them', async (context) => {
  needExample(context)
  const { page } = await (await Computer.make()).startNew()
  for (const name of HOSTILE) {
    await page.evaluate(
      `window.secrets.set({ scope: { type: 'account' }, name: ${JSON.stringify(name)}, payload: 'x' })`,
    )
  }
  await expect.poll(() => names(page)).toHaveLength(HOSTILE.length)
  const inOrder = [...HOSTILE].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
  expect(await names(page)).toEqual(inOrder)
  await page.locator('.delete').first().click()
  expect(await page.getByRole('alertdialog').textContent()).toContain(inOrder[0])
  await press(page, 'Cancel')
  await screenshot(page, 'hostile-names')
  await page.reload()
  await expect.poll(() => names(page)).toEqual(inOrder)
  const harmed = `[window.harmed, document.images.length, document.scripts.length, document.documentElement.scrollWidth > innerWidth]`
  expect(await page.evaluate(harmed)).toEqual([undefined, 0, 1, false])
  await add(page, { name: 'x'.repeat(5001), payload: 'x' })
  await page.getByText('name: expected at most 5000 characters, got more').waitFor()
})

test('after another start the secrets are there, and no code is offered', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, page } = await computer.startNew()
  await add(page, { name: 'kept', payload: 'payload of it' })
  await page.getByText('kept is saved.').waitFor()
  await app.close()
  const again = await computer.start()
  await press(again.page, 'Reveal kept')
  await again.page.getByText('payload of it').waitFor()
})

test('a second start of it ends, and the first goes on', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, page } = await computer.startNew()
  await page.getByText('None yet.').waitFor()
  expect(await computer.startAgain()).toBe(0)
  await add(page, { name: 'a', payload: 'x' })
  await page.getByText('a is saved.').waitFor()
  expect(app.windows()).toHaveLength(1)
})

test('a code that is not written down is offered at each start, as another one', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const codes = new Set<string | null>()
  const offered = async () => {
    const { app, page } = await computer.start()
    await page.locator('#code:not(:empty)').waitFor()
    codes.add(await page.locator('#code').textContent())
    return { app, page }
  }
  const closed = await offered()
  const ended = new Promise((resolve) => closed.app.process().once('exit', resolve))
  await closed.page.close()
  expect(await ended).toBe(0)

  const postponed = await offered()
  const page = await nextWindow(postponed.app, () => press(postponed.page, 'Not now'))
  await page.getByText('None yet.').waitFor()
  await postponed.app.close()

  const last = await offered()
  await screenshot(last.page, 'recovery-offer-light')
  await last.page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(last.page, 'recovery-offer-dark')
  expect(codes.size).toBe(3)
})

test('the keychain is lost: asks for the code, until it is right, and then no more', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, page, code } = await computer.startNew()
  await add(page, { name: 'kept', payload: 'payload of it' })
  await page.getByText('kept is saved.').waitFor()
  await app.close()
  const other = await (await Computer.make()).startNew()
  await other.app.close()

  await computer.loseKeyring()
  const asking = await computer.start()
  const typed = asking.page.getByLabel('Recovery code')
  await asking.page.getByText('The keychain of this computer no longer has the key').waitFor()
  await typed.fill(code.replace(/.$/, (last) => (last === 'Q' ? 'P' : 'Q')))
  await press(asking.page, 'Open my secrets')
  await asking.page.getByText('There is a mistake in it.').waitFor()
  await screenshot(asking.page, 'recovery-question-light')
  await asking.page.emulateMedia({ colorScheme: 'dark' })
  await screenshot(asking.page, 'recovery-question-dark')
  await typed.fill(other.code)
  await press(asking.page, 'Open my secrets')
  await asking.page.getByText('it is not the code of these secrets').waitFor()
  await typed.fill(code.toLowerCase().replaceAll(' ', '-'))
  const opened = await nextWindow(asking.app, () => press(asking.page, 'Open my secrets'))
  await press(opened, 'Reveal kept')
  await opened.getByText('payload of it').waitFor()
  await asking.app.close()

  const again = await computer.start()
  await press(again.page, 'Reveal kept')
  await again.page.getByText('payload of it').waitFor()
})

test('the keychain does not answer, and the code is not at hand: quits, and all stays as it is', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, code } = await computer.startNew()
  await app.close()
  const secrets = join(computer.userData, 'secrets')
  const before = await filesOf(secrets)
  const { app: asking, page } = await computer.start('basic')
  await page.getByText('The keychain of this computer does not answer').waitFor()
  const ended = new Promise((resolve) => asking.process().once('exit', resolve))
  await press(page, 'Quit').catch(() => {})
  expect(await ended).toBe(0)
  expect(await filesOf(secrets)).toEqual(before)

  const { app: again, page: question } = await computer.start('basic')
  await question.getByLabel('Recovery code').fill(code)
  const opened = await nextWindow(again, () => press(question, 'Open my secrets'))
  await opened.getByText('None yet.').waitFor()
})

test('without a keychain nothing is made, and it says what to do', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, page } = await computer.start('basic')
  await page.getByText('There is no keychain that could keep their key.').waitFor()
  await screenshot(page, 'failure-light')
  const ended = new Promise((resolve) => app.process().once('exit', resolve))
  await press(page, 'Quit').catch(() => {})
  expect(await ended).toBe(0)
  expect(await readdir(computer.userData)).not.toContain('secrets')
  // With one, it is a first start like any other.
  const { page: opened } = await computer.startNew()
  await opened.getByText('None yet.').waitFor()
})

test('a store that does not open stays as it is, and what to do is said', async (context) => {
  needExample(context)
  const computer = await Computer.make()
  const { app, page: offer } = await computer.start()
  await offer.locator('#code:not(:empty)').waitFor()
  const code = (await offer.locator('#code').textContent()) as string
  const secrets = join(computer.userData, 'secrets')
  const keyring = join(secrets, 'keyring.json')
  const older = await readFile(keyring)
  const page = await nextWindow(app, () => press(offer, 'I have written it down'))
  await add(page, { name: 'kept', payload: 'x' })
  await page.getByText('kept is saved.').waitFor()
  await app.close()

  const fails = async (advice: string): Promise<void> => {
    const before = await readFile(keyring)
    const failing = await computer.start()
    await failing.page.getByText(advice).waitFor()
    await failing.app.close()
    expect(await readFile(keyring), advice).toEqual(before)
  }
  const store = await SecretStore.open(secrets, { key: recoveryCode(code) })
  await fails('Another program is using them.')
  await store.close()
  const good = await readFile(keyring)
  await writeFile(keyring, older)
  await fails('Their files are of different times.')
  await writeFile(keyring, 'something else')
  await fails('Their files are damaged.')
  await writeFile(keyring, JSON.stringify({ ...JSON.parse(String(good)), version: 99 }))
  await fails('They were written by a newer version of this app.')
  await writeFile(keyring, good)
  await chmod(secrets, 0o777)
  await fails('Something is in the way.')
  await chmod(secrets, 0o700)
  const again = await computer.start()
  await expect.poll(() => names(again.page)).toEqual(['kept'])
})

test('times and faults in words', async () => {
  const words: Words = await import(urlFromRoot('examples/electron/pages/words.js'))
  const times: [number, string][] = [
    [-1, 'expired'],
    [0, 'expired'],
    [1, 'in 1 s'],
    [59, 'in 59 s'],
    [60, 'in 1 min 0 s'],
    [3599, 'in 59 min 59 s'],
    [3600, 'in 1 h 0 min'],
    [86399, 'in 1 day'],
    [172799, 'in 2 days'],
    [86369, 'in 23 h 59 min'],
    [86400, 'in 1 day'],
    [172800, 'in 2 days'],
  ]
  for (const [seconds, text] of times) expect(words.timeLeft(seconds)).toBe(text)
  const faults: [string, string | RegExp][] = [
    ['ERR_CORRUPT: x', /damaged/],
    ['ERR_FAILED: x', /could not be written/],
    ['ERR_IO: x', /disk does not answer/],
    ['RangeError: name: expected less,\ngot more', 'name: expected less,\ngot more'],
    ['something else', 'something else'],
  ]
  for (const [message, text] of faults) {
    if (typeof text === 'string') expect(words.faultInWords(new Error(message))).toBe(text)
    else expect(words.faultInWords(new Error(message))).toMatch(text)
  }
})

interface Words {
  timeLeft(seconds: number): string
  faultInWords(error: Error): string
}

test('the page has no more than it needs', async (context) => {
  needExample(context)
  const { app, page } = await (await Computer.make()).startNew()
  await page.getByText('None yet.').waitFor()
  expect(await page.evaluate('[typeof require, typeof process, typeof module]')).toEqual(Array(3).fill('undefined'))
  await expect(page.evaluate(`document.body.innerHTML = '<p>'`)).rejects.toThrow(/TrustedHTML/)
  const refusals = await page.evaluate(`(async () => {
    const refused = new Set()
    document.addEventListener('securitypolicyviolation', (event) => refused.add(event.effectiveDirective))
    new Image().src = 'https://example.com/'
    await fetch('https://example.com/').catch(() => {})
    document.body.setAttribute('style', 'color: red')
    document.body.append(document.createElement('iframe'))
    document.querySelector('iframe').src = 'https://example.com/'
    while (refused.size < 4) await new Promise((resolve) => setTimeout(resolve, 10))
    document.querySelector('iframe').remove()
    return [...refused].sort()
  })()`)
  expect(refusals).toEqual(['connect-src', 'frame-src', 'img-src', 'style-src-attr'])
  expect(await page.evaluate(`window.open('https://example.com/')`)).toBeNull()
  const status = (url: string) =>
    app.evaluate(({ net }, url) => net.fetch(url).then((response: Response) => response.status), url)
  expect(await status('app://secrets/renderer.js')).toBe(200)
  for (const url of ['app://secrets/main.js', 'app://secrets/../main.js', 'app://other/', 'app://secrets/?x']) {
    expect(await status(url), url).toBe(404)
  }
  // Another page of the same app, with the same preload script.
  const refusal = await app.evaluate(async ({ app, BrowserWindow }) => {
    const { createRequire } = process.getBuiltinModule('node:module')
    const preload = createRequire(`${app.getAppPath()}/main.js`).resolve('app-secret-store/electron/preload')
    const window = new BrowserWindow({ show: false, webPreferences: { preload } })
    await window.loadURL('app://recovery/')
    return window.webContents.executeJavaScript(`secrets.list({ scope: { type: 'account' } }).catch(String)`)
  })
  expect(refusal).toContain('ERR_ACCESS_DENIED')
  // It goes nowhere. Last, since Playwright waits for it to arrive.
  await app.evaluate(async ({ BrowserWindow }) => {
    const window = BrowserWindow.getAllWindows().find(
      (window: { getTitle(): string }) => window.getTitle() === 'Secrets',
    )
    const refused = new Promise((resolve) => window?.webContents.once('will-navigate', resolve))
    await window?.webContents.executeJavaScript(`void (location.href = 'app://recovery/')`)
    await refused
  })
  const state = () =>
    app.evaluate(({ BrowserWindow }) => {
      const [window] = BrowserWindow.getAllWindows().filter((window: { isVisible(): boolean }) => window.isVisible())
      return [window?.webContents.isLoading(), window?.webContents.getURL()]
    })
  await expect.poll(state).toEqual([false, 'app://secrets/'])
})

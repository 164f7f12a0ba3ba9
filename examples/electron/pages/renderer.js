import { Row } from './row.js'
import { codeOf, faultInWords, quote } from './words.js'

/** The page: what it shows is what `window.secrets` told it last. The store is in another process. */

const PAGE = 25
const SAID_MS = 8000
const scope = { type: 'account' }

const element = (id) => document.getElementById(id)
const form = element('add')
const dialog = element('confirm')
const list = element('list')
const more = element('more')

/** Those of the list, in its order. */
const rows = []
/** Whether there are more behind the last one. */
let hasMore = false
/** Which row the dialog is about. */
let asked
/** Which secret the form is about; a new one if it is `undefined`. */
let edited
/** What a name has to have in it to be shown. */
let sought = ''
let saying

// Pages and changes are taken one by one: what a change is about may be on a page that is still on its way.
let turn = Promise.resolve()
function inTurn(work) {
  turn = turn.then(work).catch(fault)
  return turn
}

inTurn(() => window.secrets.onChange((change) => inTurn(() => follow(change))))
inTurn(loadPage)
tick()

async function loadPage() {
  const last = rows.at(-1)
  const params = { scope, limit: PAGE, ...(last && { starting_after: last.secret.id }) }
  const page = await window.secrets.list(params).catch((error) => {
    if (codeOf(error) !== 'ERR_CURSOR') throw error
  })
  if (page === undefined) {
    // The last row is no more, and the change that says so is still on its way.
    remove(last)
    return loadPage()
  }
  hasMore = false
  for (const secret of page.data) place(secret)
  hasMore = page.has_more
  showEnds()
  // A search goes on behind what is loaded, until a page is full of what it finds.
  if (hasMore && rows.filter(isShown).length < Math.min(PAGE, shownAtLeast)) return loadPage()
}

/** How many rows a search goes on for. */
let shownAtLeast = 0

function isShown(row) {
  return row.secret.name.toLocaleLowerCase().includes(sought)
}

element('search').addEventListener('input', ({ target }) => {
  sought = target.value.toLocaleLowerCase()
  shownAtLeast = sought === '' ? 0 : PAGE
  for (const row of rows) row.element.hidden = !isShown(row)
  showEnds()
  if (shownAtLeast > 0 && hasMore) inTurn(loadPage)
})

/** Of changes by whichever window, this one too. */
async function follow({ type, id, name }) {
  if (type === 'set') {
    const secret = await window.secrets.find({ scope, name })
    if (secret !== undefined) place(secret)
  } else {
    remove(rows.find(({ secret }) => secret.id === id))
  }
  showEnds()
  say(quote(name), { set: ' is saved.', delete: ' is deleted.', expire: ' has expired.' }[type])
}

function place(secret) {
  const present = rows.find((row) => row.secret.id === secret.id)
  if (present !== undefined) return present.update(secret)
  const next = rows.findIndex((row) => isBefore(secret.name, row.secret.name))
  // Behind the last one, it comes with the page it is on.
  if (next === -1 && hasMore) return
  const row = new Row(secret, { onDelete: askAndDelete, onEdit: edit, onFault: fault })
  row.element.hidden = !isShown(row)
  const index = next === -1 ? rows.length : next
  list.insertBefore(row.element, rows[index]?.element ?? null)
  rows.splice(index, 0, row)
}

function remove(row) {
  if (row === undefined) return
  // Gives the focus back to the row.
  if (asked === row) dialog.close('no')
  if (edited?.id === row.secret.id) beginNew()
  const hadFocus = row.element.contains(document.activeElement)
  const index = rows.indexOf(row)
  rows.splice(index, 1)
  row.hide()
  row.element.remove()
  if (hadFocus) (rows[index] ?? rows[index - 1] ?? { element: element('list-title') }).element.focus()
}

function showEnds() {
  more.hidden = !hasMore
  element('empty').hidden = rows.length > 0 || hasMore
  element('none').hidden = sought === '' || hasMore || rows.some(isShown)
}

/** The order of the list is that of code points; `<` has another one. */
function isBefore(name, other) {
  const [a, b] = [[...name], [...other]]
  const i = a.findIndex((character, index) => character !== b[index])
  if (i === -1) return a.length < b.length
  return i < b.length && a[i].codePointAt(0) < b[i].codePointAt(0)
}

/** Once a second, at its beginning. */
function tick() {
  for (const row of rows) {
    // The store deletes what has expired every minute, and whenever somebody looks for it. Then the change tells of it.
    if (row.tick()) window.secrets.find({ scope, name: row.secret.name }).catch(fault)
  }
  setTimeout(tick, 1000 - (Date.now() % 1000))
}

more.addEventListener('click', async () => {
  const shown = rows.length
  await inTurn(loadPage)
  rows[shown]?.element.focus()
})

form.addEventListener('submit', async (event) => {
  event.preventDefault()
  element('add-error').textContent = ''
  // What somebody types in the meantime would go with what is saved.
  setDisabled(true)
  try {
    if (await add()) beginNew()
  } catch (error) {
    element('add-error').textContent = faultInWords(error)
  }
  setDisabled(false)
  element('name').focus()
})

/** @returns Whether it is saved. */
async function add() {
  const [name, payload, amount, unit] = ['name', 'payload', 'amount', 'unit'].map((id) => element(id).value)
  // To set a secret is to replace the one of that name.
  if (edited === undefined && (await window.secrets.find({ scope, name }))) {
    const isMeant = await confirm('Replace', 'Replace ', quote(name), '? What it holds now will be gone.')
    if (!isMeant) return false
  }
  const expires_at = amount === '' ? (edited?.expires_at ?? null) : Math.ceil(Date.now() / 1000) + amount * unit
  await window.secrets.set({ scope, name, payload, expires_at })
  return true
}

/** Has the form be about a secret that there is. Its payload is in the field until that is done, as dots. */
async function edit(row) {
  const { name } = row.secret
  const payload = await window.secrets.get({ scope, name }).catch(fault)
  if (payload === undefined) return
  element('payload').value = payload
  // A field of one line drops what ends lines.
  if (element('payload').value !== payload) {
    element('payload').value = ''
    return say(quote(name), ' has several lines, and cannot be edited here.')
  }
  edited = row.secret
  element('name').value = name
  element('name').readOnly = true
  element('amount').value = ''
  showForm('Edit a secret', 'Save', '(empty: as it is)')
  element('payload').focus()
}

function beginNew() {
  edited = undefined
  form.reset()
  element('name').readOnly = false
  element('add-error').textContent = ''
  showTyped(false)
  showForm('Add a secret', 'Add', '(empty: never)')
}

function showForm(title, submit, hint) {
  element('add-title').textContent = title
  element('submit').textContent = submit
  element('amount-hint').textContent = hint
  element('stop').hidden = edited === undefined
}

element('stop').addEventListener('click', () => {
  beginNew()
  element('name').focus()
})

function setDisabled(isDisabled) {
  for (const field of form.elements) field.disabled = isDisabled
}

element('show').addEventListener('click', () => showTyped(element('payload').type === 'password'))

function showTyped(isShown) {
  element('payload').type = isShown ? 'text' : 'password'
  element('show').setAttribute('aria-pressed', isShown)
}

async function askAndDelete(row) {
  const { name } = row.secret
  asked = row
  const isMeant = await confirm('Delete', 'Delete ', quote(name), '? It cannot be brought back.')
  if (isMeant) await window.secrets.delete({ scope, name }).catch(fault)
}

/** Hears the answer to the question of the dialog. */
let answer = () => {}

/** The focus is on "Cancel" at first, and goes back to where it was at last: that is the dialog's own doing. */
function confirm(yes, ...question) {
  answer(false) // to a question that was closed in this moment
  element('question').replaceChildren(...question)
  element('yes').textContent = yes
  dialog.returnValue = 'no'
  dialog.showModal()
  return new Promise((resolve) => {
    answer = resolve
  })
}

dialog.addEventListener('close', () => {
  // It comes a little later than that, when the next one may be open.
  if (dialog.open) return
  asked = undefined
  answer(dialog.returnValue === 'yes')
})

/** To those who look and to those who listen. */
function say(...parts) {
  clearTimeout(saying)
  element('status').replaceChildren(...parts)
  saying = setTimeout(() => element('status').replaceChildren(), SAID_MS)
}

/** Stays until there is something else to say. */
function fault(error) {
  say(faultInWords(error))
  clearTimeout(saying)
}

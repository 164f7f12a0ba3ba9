import { timeLeft } from './words.js'

/** A secret in the list. The payload is in the page only while it is to be seen. */

const SHOWN_MS = 30_000
const template = document.querySelector('#row')
let rows = 0

export class Row {
  /** An element of the list. */
  element = template.content.cloneNode(true).firstElementChild
  secret
  #reveal = this.element.querySelector('.reveal')
  #payload = this.element.querySelector('.payload')
  #expiry = this.element.querySelector('.expiry')
  #copy = this.element.querySelector('.copy')
  /** Until when the clipboard has it, in milliseconds. */
  #copiedMs = 0
  #isRevealed = false
  #timer

  /**
   * @param {object} secret - As `window.secrets.list` gives it, without its payload.
   * @param {{ onDelete(row: Row): void, onEdit(row: Row): void, onFault(error: Error): void }} then
   */
  constructor(secret, { onDelete, onEdit, onFault }) {
    const name = this.element.querySelector('.name')
    const [edit, remove] = ['.edit', '.delete'].map((one) => this.element.querySelector(one))
    // Text, whatever is in it: anything at all can be a name.
    name.textContent = secret.name
    rows += 1
    name.id = `name-${rows}`
    this.#reveal.id = `reveal-${rows}`
    remove.id = `delete-${rows}`
    edit.id = `edit-${rows}`
    this.#copy.id = `copy-${rows}`
    this.#payload.id = `payload-${rows}`
    this.element.setAttribute('aria-labelledby', name.id)
    this.#reveal.setAttribute('aria-controls', this.#payload.id)
    for (const labelled of [this.#copy, this.#reveal, edit, remove])
      labelled.setAttribute('aria-labelledby', `${labelled.id} ${name.id}`)
    this.#reveal.addEventListener('click', () => this.#toggle().catch(onFault))
    this.#copy.addEventListener('click', () => this.#toClipboard().catch(onFault))
    edit.addEventListener('click', () => onEdit(this))
    remove.addEventListener('click', () => onDelete(this))
    this.update(secret)
  }

  /** The same secret, as it is now. */
  update(secret) {
    this.secret = secret
    this.hide()
    const created = this.element.querySelector('.created')
    created.dateTime = new Date(secret.created * 1000).toISOString()
    created.textContent = new Date(secret.created * 1000).toLocaleString(undefined, {
      dateStyle: 'medium',
      timeStyle: 'short',
    })
    this.tick()
  }

  /** @returns Whether its time is over. */
  tick() {
    this.#showCopied()
    const { expires_at } = this.secret
    if (expires_at === null) {
      this.#expiry.textContent = ''
      return false
    }
    const left = expires_at - Math.floor(Date.now() / 1000)
    this.#expiry.textContent = left > 0 ? ` · expires ${timeLeft(left)}` : ` · ${timeLeft(left)}`
    this.#expiry.classList.toggle('soon', left < 60)
    return left <= 0
  }

  hide() {
    clearTimeout(this.#timer)
    this.#show('', false)
  }

  async #toClipboard() {
    const { scope, name } = this.secret
    const seconds = await window.copySecret({ scope, name })
    this.#copiedMs = seconds === 0 ? 0 : Date.now() + seconds * 1000
    this.#showCopied()
  }

  #showCopied() {
    const left = Math.ceil((this.#copiedMs - Date.now()) / 1000)
    this.#copy.textContent = left > 0 ? `Copied, ${left} s` : 'Copy'
  }

  async #toggle() {
    if (this.#isRevealed) return this.hide()
    this.#isRevealed = true
    const { scope, name } = this.secret
    const payload = await window.secrets.get({ scope, name }).catch((error) => {
      this.hide()
      throw error
    })
    // It may be gone by now, or hidden again.
    if (payload === undefined || !this.#isRevealed) return this.hide()
    this.#show(payload, true)
    this.#timer = setTimeout(() => this.hide(), SHOWN_MS)
  }

  #show(payload, isRevealed) {
    this.#isRevealed = isRevealed
    this.#payload.textContent = payload
    this.#payload.hidden = !isRevealed
    this.#reveal.textContent = isRevealed ? 'Hide' : 'Reveal'
    this.#reveal.setAttribute('aria-expanded', isRevealed)
  }
}

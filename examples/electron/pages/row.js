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
  #isRevealed = false
  #timer

  /**
   * @param {object} secret - As `window.secrets.list` gives it, without its payload.
   * @param {{ onDelete(row: Row): void, onFault(error: Error): void }} then
   */
  constructor(secret, { onDelete, onFault }) {
    const name = this.element.querySelector('.name')
    const remove = this.element.querySelector('.delete')
    // Text, whatever is in it: anything at all can be a name.
    name.textContent = secret.name
    rows += 1
    name.id = `name-${rows}`
    this.#reveal.id = `reveal-${rows}`
    remove.id = `delete-${rows}`
    this.#payload.id = `payload-${rows}`
    this.element.setAttribute('aria-labelledby', name.id)
    this.#reveal.setAttribute('aria-controls', this.#payload.id)
    for (const labelled of [this.#reveal, remove]) labelled.setAttribute('aria-labelledby', `${labelled.id} ${name.id}`)
    this.#reveal.addEventListener('click', () => this.#toggle().catch(onFault))
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

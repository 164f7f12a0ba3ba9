/**
 * The backend of a Stripe App that connects each Stripe account to a third party by OAuth. The tokens are kept in Stripe's
 * Apps Secret Store, as one secret of the account.
 */

const SECRET = { name: 'oauth', scope: { type: 'account' } }
/** A token this close to its end is refreshed before it is used. */
const MARGIN_SECONDS = 60

/** There is no connection, and a user has to make one. Any other error means: not now. */
export class NotConnected extends Error {}

export class Backend {
  #stripe
  #tokenUrl
  #nowSeconds
  /** One refresh at a time for each account: a refresh token is good for one use. */
  #refreshes = new Map()

  /**
   * @param {object} parts
   * @param {import('stripe').default} parts.stripe
   * @param {string} parts.tokenUrl - The token endpoint of the third party.
   * @param {() => number} [parts.nowSeconds]
   */
  constructor({ stripe, tokenUrl, nowSeconds = () => Math.floor(Date.now() / 1000) }) {
    this.#stripe = stripe
    this.#tokenUrl = tokenUrl
    this.#nowSeconds = nowSeconds
  }

  /** Ends the OAuth flow: the code that the browser brought back becomes tokens. */
  async connect(account, code) {
    const tokens = await this.#requestTokens({ grant_type: 'authorization_code', code })
    await this.#save(account, tokens)
  }

  async disconnect(account) {
    await this.#stripe.apps.secrets.deleteWhere(SECRET, { stripeAccount: account }).catch(ignoreMissing)
  }

  /**
   * A token to call the third party with.
   *
   * @throws {NotConnected}
   */
  async accessToken(account) {
    const tokens = await this.#load(account)
    if (tokens.expires_at - MARGIN_SECONDS > this.#nowSeconds()) return tokens.access_token
    return this.#refresh(account)
  }

  #refresh(account) {
    const running = this.#refreshes.get(account)
    if (running !== undefined) return running
    const refresh = this.#refreshNow(account).finally(() => this.#refreshes.delete(account))
    this.#refreshes.set(account, refresh)
    return refresh
  }

  async #refreshNow(account) {
    // Read anew: somebody may have refreshed between the caller's look and now.
    const { refresh_token, access_token, expires_at } = await this.#load(account)
    if (expires_at - MARGIN_SECONDS > this.#nowSeconds()) return access_token
    const tokens = await this.#requestTokens({ grant_type: 'refresh_token', refresh_token })
    // The old refresh token is dead by now. The client sends this again, under one idempotency key, until it is there.
    await this.#save(account, tokens)
    return tokens.access_token
  }

  async #load(account) {
    const options = { stripeAccount: account }
    const secret = await this.#stripe.apps.secrets
      .find({ ...SECRET, expand: ['payload'] }, options)
      .catch(ignoreMissing)
    if (secret === undefined) throw new NotConnected(account)
    return JSON.parse(secret.payload)
  }

  async #save(account, tokens) {
    const payload = JSON.stringify(tokens)
    await this.#stripe.apps.secrets.create({ ...SECRET, payload }, { stripeAccount: account })
  }

  async #requestTokens(grant) {
    const response = await fetch(this.#tokenUrl, { method: 'POST', body: new URLSearchParams(grant) })
    if (!response.ok) throw new Error(`token endpoint: expected tokens, got status ${response.status}`)
    const { access_token, refresh_token, expires_in } = await response.json()
    return { access_token, refresh_token, expires_at: this.#nowSeconds() + expires_in }
  }
}

/**
 * "There is no such secret" is an answer. An outage is none, and must not look like one: a `catch` of everything would ask
 * all users to connect again.
 */
function ignoreMissing(error) {
  if (error.code !== 'resource_missing') throw error
  return undefined
}

import { account, type OpenOptions, type Scope, type Secret, type SecretStore, user } from 'app-secret-store'
import { newLocation, openStore, setMany } from '../stores'

/** The scopes that `fill` uses. */
export const SCOPES: readonly Scope[] = [account, user('usr_1'), user('usr_2')]
const LARGE = 3000

/** The scope of the secret of a number. */
export function scopeOf(name: string): Scope {
  return SCOPES[Number.parseInt(name, 10) % 3] as Scope
}

/** Every fifth is too large for the record's own row. The text says which version it is. */
export function payloadOf(name: string, version: number): string {
  const text = `${name}:${version}:`
  return Number.parseInt(name, 10) % 5 === 0 ? text.padEnd(LARGE, 'L') : text
}

/** Secrets `'0'`, `'1'`, … over three scopes, of which every seventh is bytes. */
export function fill(store: SecretStore, count: number, expiresAt?: (n: number) => number | null): Promise<void> {
  return setMany(store, count, (n) => {
    const name = `${n}`
    const payload = payloadOf(name, 0)
    return {
      scope: scopeOf(name),
      name,
      payload: n % 7 === 0 ? Buffer.from(payload) : payload,
      expires_at: expiresAt?.(n) ?? null,
    }
  })
}

/** A store on disk with so many secrets, and where it is. */
export async function filled(count = 600, options: Partial<OpenOptions> = {}): Promise<[string, SecretStore]> {
  const location = await newLocation()
  const store = await openStore(location, options)
  await fill(store, count)
  return [location, store]
}

/** Every secret of the three scopes, with its payload as bytes. */
export async function everything(store: SecretStore): Promise<Map<string, Secret & { bytes: string }>> {
  const found = new Map<string, Secret & { bytes: string }>()
  for (const scope of SCOPES) {
    for await (const secret of store.list({ scope })) {
      const bytes = await store.getBytes({ scope, name: secret.name })
      found.set(`${JSON.stringify(scope)} ${secret.name}`, {
        ...secret,
        bytes: Buffer.from(bytes as Uint8Array).toString('latin1'),
      })
    }
  }
  return found
}

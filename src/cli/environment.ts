import { refused } from './failure'

/**
 * The environment variable a secret becomes: capital letters, with `_` for what is no letter of A to Z and no digit, and
 * one in front of a digit. `stripe.api-key` is `STRIPE_API_KEY`.
 */
export function variableName(name: string, prefix: string): string {
  const mapped = prefix + name.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return /^\d/.test(mapped) ? `_${mapped}` : mapped
}

/** @throws {Failure} If two secrets are one variable, or, unless `override`, one is in the environment already. */
export function environmentOf(
  secrets: readonly { readonly name: string; readonly payload: string }[],
  inherited: Readonly<Record<string, string | undefined>>,
  { prefix, override }: { readonly prefix: string; readonly override: boolean },
): Record<string, string | undefined> {
  const environment = { ...inherited }
  // What opens the store is not the child's.
  for (const own of ['SECRET_STORE_PASSPHRASE', 'SECRET_STORE_NEW_PASSPHRASE']) delete environment[own]
  const from = new Map<string, string>()
  for (const { name, payload } of secrets) {
    const variable = variableName(name, prefix)
    const other = from.get(variable)
    if (other !== undefined) {
      throw refused(
        `'${other}' and '${name}' would both be ${variable}`,
        'choose with --only, or name one of them otherwise',
      )
    }
    if (!override && inherited[variable] !== undefined) {
      throw refused(
        `${variable} is in the environment already, and '${name}' would replace it`,
        'allow that with --override, or use --prefix',
      )
    }
    if (payload.includes('\0'))
      throw refused(`'${name}' cannot be an environment variable: it holds a NUL`, 'leave it out with --only')
    from.set(variable, name)
    environment[variable] = payload
  }
  return environment
}

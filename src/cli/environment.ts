import { refused, usage } from './failure'
import { loaderOf } from './loader-names'

/**
 * The environment variable a secret becomes: capital letters, with `_` for what is no letter of A to Z and no digit, and
 * one in front of a digit. `stripe.api-key` is `STRIPE_API_KEY`.
 */
export function variableName(name: string, prefix: string): string {
  const mapped = prefix + name.toUpperCase().replace(/[^A-Z0-9]/g, '_')
  return /^\d/.test(mapped) ? `_${mapped}` : mapped
}

/** Whether text may stand in front of a variable's name. */
export function isPrefix(text: string): boolean {
  return /^(?:[A-Za-z_][A-Za-z0-9_]*)?$/.test(text) && !text.endsWith('\n')
}

export interface EnvironmentOptions {
  /** In front of every name. */
  readonly prefix: string
  /** Variables that are there already are replaced. */
  readonly override: boolean
  /** Variables that programs take code from are made, too. */
  readonly allowLoaders: boolean
  /** Names that differ in small and capital letters are one, as on Windows. */
  readonly ignoreCase: boolean
}

/**
 * The environment of the command of `run`.
 *
 * @throws {Failure} If two secrets are one variable; if, unless `override`, one is in the environment already; and if,
 * unless `allowLoaders`, a program would take code from one.
 */
export function environmentOf(
  secrets: readonly { readonly name: string; readonly payload: string }[],
  inherited: Readonly<Record<string, string | undefined>>,
  { prefix, override, allowLoaders, ignoreCase }: EnvironmentOptions,
): Record<string, string | undefined> {
  if (!isPrefix(prefix)) throw usage('--prefix: expected letters of A to Z, digits and `_`, got something else')
  const environment = { ...inherited }
  const same = (one: string, other: string): boolean =>
    ignoreCase ? one.toUpperCase() === other.toUpperCase() : one === other
  const remove = (variable: string): void => {
    for (const there of Object.keys(environment)) if (same(there, variable)) delete environment[there]
  }
  // What opens the store is not the child's.
  for (const own of ['SECRET_STORE_PASSPHRASE', 'SECRET_STORE_NEW_PASSPHRASE']) remove(own)
  const taken = Object.keys(inherited).filter((variable) => inherited[variable] !== undefined)
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
    const loader = allowLoaders ? undefined : loaderOf(variable)
    if (loader !== undefined) {
      throw refused(
        `'${name}' would be ${variable}, which decides what code runs (${loader})`,
        'leave it out with --only, or use --prefix; to pass it all the same, name it with --only and say --allow-loader-names',
      )
    }
    if (!override && taken.some((there) => same(there, variable))) {
      throw refused(
        `${variable} is in the environment already, and '${name}' would replace it`,
        'allow that with --override, or use --prefix',
      )
    }
    if (payload.includes('\0'))
      throw refused(`'${name}' cannot be an environment variable: it holds a NUL`, 'leave it out with --only')
    from.set(variable, name)
    remove(variable)
    environment[variable] = payload
  }
  return environment
}

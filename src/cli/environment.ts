import { environmentBytes, type SystemLimits, stringBytes } from './environment-size'
import { type Failure, refused } from './failure'
import { loaderOf } from './loader-names'
import { Problems } from './problems'

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
  /** Payloads that no variable can hold are left out. */
  readonly skipBinary: boolean
  /** Names that differ in small and capital letters are one, as on Windows. */
  readonly ignoreCase: boolean
  /** What the system passes on. */
  readonly limits: SystemLimits
  /** The words of the command, which count, too. */
  readonly command: readonly string[]
}

/** A variable that a secret becomes. */
interface Made {
  readonly name: string
  readonly variable: string
  /** What counts of it in all: of the name alone as long as the payload was not read. */
  readonly bytes: number
  readonly value?: string
}

type Variables = Readonly<Record<string, string | undefined>>

/** What opens the store is not the command's. */
const OWN = ['SECRET_STORE_PASSPHRASE', 'SECRET_STORE_NEW_PASSPHRASE']
const CHOOSE = 'choose with --only or --except'

/**
 * The environment of the command of `run`. Names come first, then payloads: what is too large by its names alone has no
 * payload decrypted.
 */
export class CommandEnvironment {
  readonly #options: EnvironmentOptions
  /** By the name as the system compares it. */
  readonly #inherited = new Map<string, readonly [variable: string, value: string]>()
  readonly #made = new Map<string, Made>()
  readonly #problems = new Problems()
  #largest: { readonly name: string; readonly bytes: number }[] = []
  #bytes: number
  #skipped = 0

  constructor(inherited: Variables, options: EnvironmentOptions) {
    this.#options = options
    for (const [variable, value] of Object.entries(inherited)) {
      if (value !== undefined) this.#inherited.set(this.#same(variable), [variable, value])
    }
    for (const own of OWN) this.#inherited.delete(this.#same(own))
    const strings = [...options.command, ...Array.from(this.#inherited.values(), (entry) => entry.join('='))]
    this.#bytes = strings.reduce((sum, text) => sum + environmentBytes(text), 0)
  }

  /** A secret that is to be a variable. @throws {Failure} If the names alone are too much for the system. */
  addName(name: string): void {
    const { prefix, override, allowLoaders } = this.#options
    const variable = variableName(name, prefix)
    const same = this.#same(variable)
    const other = this.#made.get(same)
    const loader = allowLoaders ? undefined : loaderOf(variable)
    if (other !== undefined) {
      const message = `'${other.name}' and '${name}' would both be ${variable}`
      this.#problems.add({ name, message, hint: `${CHOOSE}, or name one of them otherwise` })
      return
    }
    if (loader !== undefined) {
      this.#problems.add({
        name,
        message: `'${name}' would be ${variable}, which decides what code runs (${loader})`,
        hint: 'leave it out with --except, or use --prefix; to pass it all the same, name it with --only and say --allow-loader-names',
      })
    } else if (!override && this.#inherited.has(same)) {
      this.#problems.add({
        name,
        message: `${variable} is in the environment already, and '${name}' would replace it`,
        hint: 'allow that with --override, or use --prefix',
      })
    }
    this.#bytes -= this.#replacedBytes(same)
    this.#made.set(same, { name, variable, bytes: 0 })
    this.#count(same, environmentBytes(`${variable}=`))
  }

  /** The secrets whose payloads are wanted. */
  names(): string[] {
    return Array.from(this.#made.values(), ({ name }) => name)
  }

  /** The payload of one of them. @throws {Failure} If all of them are too much for the system. */
  addPayload(name: string, payload: string | Uint8Array): void {
    const same = this.#sameOf(name)
    const { variable } = this.#made.get(same) as Made
    const why =
      typeof payload !== 'string' ? 'it is no UTF-8 text' : payload.includes('\0') ? 'it holds a NUL' : undefined
    if (why !== undefined || typeof payload !== 'string') {
      if (this.#options.skipBinary) {
        this.#skipped++
        this.leaveOut(name)
        return
      }
      const hint = 'leave it out with --except or --skip-binary'
      this.#problems.add({ name, message: `'${name}' cannot be an environment variable: ${why}`, hint })
      return
    }
    const most = this.#options.limits.stringBytes
    const text = `${variable}=${payload}`
    const bytes = stringBytes(text)
    if (bytes > most) {
      const message = `'${name}' is too large for a variable: ${grouped(bytes)} bytes, and this system passes on ${grouped(most)}`
      this.#problems.add({
        name,
        message,
        hint: 'leave it out with --except, and have the command read it with `secret-store get`',
      })
      return
    }
    this.#count(same, environmentBytes(text), payload)
  }

  /** Leaves a secret out whose name was added: what was inherited under the same name stays. */
  leaveOut(name: string): void {
    const same = this.#sameOf(name)
    const { bytes } = this.#made.get(same) as Made
    this.#made.delete(same)
    this.#bytes += this.#replacedBytes(same) - bytes
  }

  /** How many payloads were left out that no variable can hold. */
  get skipped(): number {
    return this.#skipped
  }

  /** @throws {Failure} With everything that is in the way. */
  finish(): Record<string, string> {
    this.#problems.check((count) => `${count} secrets cannot be variables of the command, which was not run`)
    const made = [...this.#made].flatMap(([same, { variable, value }]) =>
      value === undefined ? [] : [{ same, variable, value }],
    )
    const replaced = new Set(made.map(({ same }) => same))
    return Object.fromEntries([
      ...[...this.#inherited].flatMap(([same, entry]) => (replaced.has(same) ? [] : [entry])),
      ...made.map(({ variable, value }) => [variable, value]),
    ])
  }

  #same(variable: string): string {
    return this.#options.ignoreCase ? variable.toUpperCase() : variable
  }

  #sameOf(name: string): string {
    return this.#same(variableName(name, this.#options.prefix))
  }

  /** What an inherited variable takes that a secret is to replace. */
  #replacedBytes(same: string): number {
    const inherited = this.#inherited.get(same)
    return inherited === undefined ? 0 : environmentBytes(inherited.join('='))
  }

  #count(same: string, bytes: number, value?: string): void {
    const before = this.#made.get(same) as Made
    const { name, variable } = before
    this.#made.set(same, { name, variable, bytes, ...(value !== undefined && { value }) })
    this.#bytes += bytes - before.bytes
    const { totalBytes } = this.#options.limits
    const others = this.#largest.filter((large) => large.name !== name)
    this.#largest = [...others, { name, bytes }].sort((one, other) => other.bytes - one.bytes).slice(0, MOST_BLAMED)
    if (this.#bytes > totalBytes) throw this.#tooLarge(totalBytes)
  }

  #tooLarge(most: number): Failure {
    const blamed = this.#largest.map(({ name, bytes }) => `'${name}' (${grouped(bytes)} bytes)`)
    return refused(
      `the secrets are too much for one environment: this system passes on ${grouped(most)} bytes, and ${grouped(this.#made.size)} of them take more; the largest of those read are ${blamed.join(', ')}`,
      CHOOSE,
    )
  }
}

const MOST_BLAMED = 3

/** `2,088,960`. */
function grouped(number: number): string {
  return String(Math.floor(number)).replace(/\B(?=(?:\d{3})+$)/g, ',')
}

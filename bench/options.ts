import { tmpdir } from 'node:os'
import { parseArgs } from 'node:util'
import { PRIMITIVE_NAMES } from './aead'
import { CONTENDERS } from './contenders/registry'
import type { Budget } from './measure'

export const HELP: string = `npm run bench -- [name…] [options]

Measures the store beside what else there is. With names, only the work whose name contains one of them.

  --sizes 1000,100000,1000000   how many secrets
  --rounds 5                    measurements of each, of which the median counts
  --who ours,sqlcipher          only these: ${CONTENDERS.map(({ name }) => name).join(', ')};
                                ${PRIMITIVE_NAMES.join('; ')}
  --goals                       only what the goals are computed from
  --directory PATH              where the stores are put while it runs; the system's temporary directory
  --json FILE                   writes every single measurement to FILE
  --quick                       1,000 secrets, one short round: shows that everything runs, and nothing else
  --help
`

export interface Options {
  readonly names: readonly string[]
  readonly sizes: readonly number[]
  readonly rounds: number
  readonly who: readonly string[] | undefined
  readonly goals: boolean
  readonly directory: string
  readonly json: string | undefined
  readonly quick: boolean
  readonly budget: Budget
}

const FULL_BUDGET: Budget = { warmMs: 300, runMs: 500 }
const QUICK_BUDGET: Budget = { warmMs: 20, runMs: 40 }

/** @returns `undefined` if it is help that is wanted. @throws {TypeError} On an option that is none. */
export function parseOptions(args: readonly string[]): Options | undefined {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      sizes: { type: 'string' },
      rounds: { type: 'string' },
      who: { type: 'string' },
      goals: { type: 'boolean', default: false },
      directory: { type: 'string', default: tmpdir() },
      json: { type: 'string' },
      quick: { type: 'boolean', default: false },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) return undefined
  const who = values.who?.split(',')
  for (const name of who ?? []) {
    if (!CONTENDERS.some((contender) => contender.name === name) && !PRIMITIVE_NAMES.includes(name)) {
      throw new TypeError(`--who: expected contenders, got ${name}`)
    }
  }
  return {
    names: positionals,
    sizes: (values.sizes ?? (values.quick ? '1000' : '1000,100000,1000000')).split(',').map(sizeOf),
    rounds: countOf(values.rounds ?? (values.quick ? '1' : '5'), '--rounds', 1),
    who,
    goals: values.goals,
    directory: values.directory,
    json: values.json,
    quick: values.quick,
    budget: values.quick ? QUICK_BUDGET : FULL_BUDGET,
  }
}

function sizeOf(text: string): number {
  const size = countOf(text, '--sizes', 1000)
  if (size % 1000 === 0) return size
  throw new TypeError(`--sizes: expected thousands, got ${text}`)
}

function countOf(text: string, label: string, least: number): number {
  const count = Number(text)
  if (Number.isSafeInteger(count) && count >= least) return count
  throw new TypeError(`${label}: expected whole numbers from ${least}, got ${text}`)
}

import { appendFileSync } from 'node:fs'
import { basename } from 'node:path'
import { describe as describeOfNode, test as testOfNode } from 'node:test'
import { format, inspect } from 'node:util'
import { deviationOf } from './deviations'
import { OUTCOMES_VARIABLE, type Outcome, type OutcomeLine } from './outcomes'

export { after as afterAll, afterEach, before as beforeAll, beforeEach } from 'node:test'

/** So long that only what hangs takes it. Bun and Deno have limits of their own. */
const LIMIT_MS = 600_000

type Body = (...args: never[]) => unknown
type Define = (name: string, body: Body) => void

/** The names of the groups around the one being defined. */
const groups: string[] = []
/** What the running test has left to be done at its end. */
let finishers: (() => unknown)[] | undefined

const define = (name: string, body: Body): void => {
  const fullName = [...groups, name].join(' > ')
  record(fullName, 'defined')
  testOfNode(name, { timeout: LIMIT_MS }, () => run(fullName, body))
}

const leaveOut = (name: string): void => {
  const fullName = [...groups, name].join(' > ')
  record(fullName, 'defined')
  record(fullName, 'left out', 'the test itself says so')
}

const group = (name: string, body: Body): void => {
  describeOfNode(name, { timeout: LIMIT_MS }, () => {
    groups.push(name)
    try {
      body()
    } finally {
      groups.pop()
    }
  })
}

export const test: Define & { each: ReturnType<typeof eachOf>; skipIf(leftOut: boolean): Define } = Object.assign(
  define.bind(undefined),
  {
    each: eachOf(define),
    skipIf: (leftOut: boolean): Define => (leftOut ? leaveOut : define),
  },
)

export const describe: Define & { each: ReturnType<typeof eachOf> } = Object.assign(group.bind(undefined), {
  each: eachOf(group),
})

/** As in vitest: the last one first, and before the next test starts. */
export function onTestFinished(work: () => unknown): void {
  if (finishers === undefined) throw new Error('onTestFinished: expected a running test, got none')
  finishers.push(work)
}

async function run(name: string, body: Body): Promise<void> {
  const deviation = deviationOf(file(), name)
  if (deviation?.how === 'is left out') return record(name, 'left out', deviation.reason)
  let failure: { readonly error: unknown } | undefined
  finishers = []
  try {
    await body()
  } catch (error) {
    failure = { error }
  }
  for (const finish of finishers.reverse()) {
    try {
      await finish()
    } catch (error) {
      failure ??= { error }
    }
  }
  finishers = undefined
  if (deviation !== undefined) {
    if (failure !== undefined) return record(name, 'fails as listed', deviation.reason)
    failure = { error: new Error(`deviations: expected ${name} to fail here, got a pass`) }
  }
  record(name, failure === undefined ? 'passed' : 'failed', failure?.error)
  if (failure !== undefined) throw failure.error
}

/** Cases are lists of arguments, or one argument each. */
function eachOf(defineOne: Define): (cases: readonly unknown[]) => Define {
  return (cases) => (name, body) => {
    for (const one of cases) {
      const args: readonly unknown[] = Array.isArray(one) ? one : [one]
      defineOne(titleOf(name, args), () => body(...(args as never[])))
    }
  }
}

/** `%s` and so on for the arguments in turn, `$name` for a property of the first one. */
function titleOf(name: string, args: readonly unknown[]): string {
  const placeholders = name.match(/%[sidfjo]/g)?.length ?? 0
  const [first] = args
  return format(name, ...args.slice(0, placeholders)).replaceAll(/\$(\w+)/g, (text, property: string) =>
    typeof first === 'object' && first !== null && property in first
      ? inspect((first as Readonly<Record<string, unknown>>)[property])
      : text,
  )
}

/** The name of the test file that is running: each is built into one file. */
function file(): string {
  return basename(new URL(import.meta.url).pathname).replace(/\.\w+$/, '.ts')
}

/** A line for each, at once: a runtime that dies leaves the lines of what came before. */
function record(test: string, outcome: Outcome, detail?: unknown): void {
  const path = process.env[OUTCOMES_VARIABLE]
  if (path === undefined) return
  const text = detail instanceof Error ? (detail.stack ?? String(detail)) : detail
  const line: OutcomeLine = {
    file: file(),
    test,
    outcome,
    ...(detail === undefined ? {} : { detail: String(text) }),
  }
  appendFileSync(path, `${JSON.stringify(line)}\n`)
}

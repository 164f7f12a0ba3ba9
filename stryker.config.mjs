import { declareValuePlugin, PluginKind } from '@stryker-mutator/api/plugin'

/**
 * Mutation testing (docs/mutation.md): `MUTATE=format npm run test:mutation`, a folder at a time, or all without `MUTATE`.
 *
 * @type {import('@stryker-mutator/api/core').PartialStrykerOptions}
 */
export default {
  mutate: [`src/${process.env.MUTATE ?? '{base,format,crypto,storage,verbs}'}/**/*.ts`],
  testRunner: 'vitest',
  // With `related`, mutants of what runs at import find no tests and survive.
  vitest: { configFile: 'vitest.mutation.config.ts', related: false },
  plugins: ['@stryker-mutator/vitest-runner', './stryker.config.mjs'],
  ignorers: ['messages'],
  coverageAnalysis: 'perTest',
  concurrency: 2,
  // A wrong bound may make a loop endless; a busy machine is not to be mistaken for that.
  timeoutMS: 60_000,
  timeoutFactor: 4,
  incremental: true,
  incrementalFile: 'output/mutation/incremental.json',
  tempDirName: 'output/mutation/sandboxes',
  ignorePatterns: ['bench', 'dist', 'coverage', 'output', '.ci'],
  reporters: ['clear-text', 'progress-append-only', 'html', 'json'],
  clearTextReporter: { allowColor: false, logTests: false, reportTests: false },
  htmlReporter: { fileName: 'output/mutation/report.html' },
  jsonReporter: { fileName: 'output/mutation/report.json' },
  thresholds: { high: 95, low: 85, break: 85 },
}

/** Which argument of an error is its message. */
const MESSAGE_ARGUMENT = new Map([
  ['corrupt', 0],
  ['Error', 0],
  ['RangeError', 0],
  ['TypeError', 0],
  ['SecretStoreError', 1],
])

/**
 * What an error says in words is not mutated: tests look at its class and its code, which programs go by. A test that
 * repeated the sentence would only keep it from being put better. The code, the cause and the condition are mutated.
 */
const messages = {
  shouldIgnore({ node, parent }) {
    if (parent?.type !== 'CallExpression' && parent?.type !== 'NewExpression') return undefined
    if (parent.callee.type !== 'Identifier') return undefined
    const position = MESSAGE_ARGUMENT.get(parent.callee.name)
    return position !== undefined && parent.arguments[position] === node ? 'the words of an error' : undefined
  },
}

export const strykerPlugins = [declareValuePlugin(PluginKind.Ignore, 'messages', messages)]

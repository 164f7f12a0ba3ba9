/** The layers, lowest first: each may import only from itself and from those above it in this list. */
const layers = [
  ['concepts', '^src/(errors|abort|bytes|byte-stream|model|progress|shortlist|turns)\\.ts$'],
  ['validation', '^src/validate\\.ts$'],
  ['format', '^src/format/'],
  ['platform', '^src/platform/'],
  ['crypto', '^src/crypto/'],
  ['keys', '^src/keys/'],
  ['storage', '^src/storage/'],
  ['id', '^src/id\\.ts$'],
  ['context', '^src/context\\.ts$'],
  ['checkpoints', '^src/checkpoints\\.ts$'],
  ['options', '^src/options\\.ts$'],
  ['expiry', '^src/expiry/'],
  ['rekey', '^src/rekey/'],
  ['creation', '^src/creation\\.ts$'],
  ['verify', '^src/verify/'],
  ['backup', '^src/backup/'],
  ['recovery', '^src/recovery/'],
  ['on-demand', '^src/on-demand\\.ts$'],
  ['opening', '^src/opening\\.ts$'],
  ['listing', '^src/(listing|list)\\.ts$'],
  ['operations', '^src/operations\\.ts$'],
  ['reach', '^src/reach\\.ts$'],
  ['view', '^src/view\\.ts$'],
  ['open-store', '^src/open-store\\.ts$'],
  ['store', '^src/store\\.ts$'],
  ['index', '^src/index\\.ts$'],
  ['stripe', '^src/stripe/'],
  ['keyring', '^src/keyring/'],
  ['cache', '^src/cache/'],
  ['migrate', '^src/migrate/'],
  ['electron', '^src/electron/'],
  ['cli', '^src/cli/'],
]

const upward = layers.slice(0, -1).map(([name, path], index) => ({
  name: `${name}-imports-no-layer-above-it`,
  severity: 'error',
  from: { path },
  to: { path: layers.slice(index + 1).map(([, above]) => above) },
}))

/** One importer for each outside world. */
const only = (name, from, to) => ({ name, severity: 'error', from: { path: '^src/', pathNot: from }, to: { path: to } })

/** What is not loaded at start; src/on-demand.ts is its one door, and has to be imported dynamically. */
const onDemand = [
  '^src/on-demand\\.ts$',
  '^src/(creation|byte-stream|shortlist)\\.ts$',
  '^src/verify/',
  '^src/backup/',
  '^src/recovery/',
  '^src/rekey/(change|rotate|slots|status)\\.ts$',
  '^src/keys/wrap\\.ts$',
  '^src/storage/(creation|keyring-storage|tally)\\.ts$',
  '^src/format/backup\\.ts$',
  '^src/platform/(new-files|pieces)\\.ts$',
]

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...upward,
    only('level-in-one-file', '^src/storage/level\\.ts$', '^(node_modules/)?level(/|$)'),
    only('noble-in-crypto', '^src/crypto/', '@(noble|scure)/'),
    {
      name: 'node-in-platform',
      severity: 'error',
      from: { path: '^src/', pathNot: '^src/(platform/|stripe/listen\\.ts$|cli/)' },
      to: { dependencyTypes: ['core'] },
    },
    only('http-in-one-file', '^src/stripe/listen\\.ts$', '^(node:)?https?$|@hono/|(^|/)hono(/|$)'),
    {
      name: 'cli-uses-the-library-as-everybody-does',
      severity: 'error',
      from: { path: '^src/cli/' },
      to: { path: '^src/', pathNot: '^src/(cli/|index\\.ts$|(stripe|keyring|migrate)/index\\.ts$)' },
    },
    only(
      'cli-libraries-in-cli',
      '^src/cli/',
      '(^|/)(commander|ms|env-paths|cli-table3|cli-progress|@clack/|@zxcvbn-ts/|@bomb\\.sh/)',
    ),
    only('dotenv-is-what-tests-compare-with', '^$', '(^|/)dotenv(/|$)'),
    only('keyring-library-in-keyring', '^src/keyring/', '@napi-rs/'),
    {
      name: 'on-demand-is-not-loaded-at-start',
      severity: 'error',
      from: { path: '^src/', pathNot: onDemand },
      to: { path: onDemand, dynamic: false, dependencyTypesNot: ['type-only'] },
    },
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-orphans',
      severity: 'error',
      from: {
        orphan: true,
        pathNot: '^src/(((stripe|electron|keyring|cache|migrate)/)?index|cli/bin|electron/preload)\\.ts$',
      },
      to: {},
    },
  ],
  options: {
    doNotFollow: { path: 'node_modules' },
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'require', 'node', 'default'] },
  },
}

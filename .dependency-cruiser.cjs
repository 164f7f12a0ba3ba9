/** The layers, lowest first: each may import only from itself and from those above it in this list (docs/architecture.md). */
const layers = [
  ['words', '^src/(base/|errors\\.ts$|model\\.ts$)'],
  ['format', '^src/(format|platform)/'],
  ['crypto', '^src/crypto/'],
  ['storage', '^src/storage/'],
  ['context', '^src/context\\.ts$'],
  ['keys', '^src/keys/'],
  ['input', '^src/input/'],
  ['verbs', '^src/(verbs|care)/'],
  ['opening', '^src/(view\\.ts$|opening/)'],
  ['store', '^src/store\\.ts$'],
  ['index', '^src/index\\.ts$'],
  ['adapters', '^src/(os-keyring|cache|migrate|keytar|keyv|unstorage|electron|stripe|cli)/'],
]

const upward = layers.slice(0, -1).map(([name, path], index) => ({
  name: `${name}-imports-no-layer-above-it`,
  severity: 'error',
  from: { path },
  to: { path: layers.slice(index + 1).map(([, above]) => above) },
}))

/** One importer for each outside world. */
const only = (name, from, to) => ({ name, severity: 'error', from: { path: '^src/', pathNot: from }, to: { path: to } })

/** What is not loaded at start; src/care/index.ts is its one door, and has to be imported dynamically. */
const onDemand = [
  '^src/care/',
  '^src/base/(byte-stream|shortlist)\\.ts$',
  '^src/keys/wrap\\.ts$',
  '^src/crypto/next-keyring\\.ts$',
  '^src/storage/level/(files/|lock\\.ts$)',
  '^src/storage/((tally|write-alone|keyspace-inverse)\\.ts|directory/(build|keyring-json)\\.ts)$',
  '^src/format/backup\\.ts$',
  '^src/platform/(new-files|folders|local-socket|endpoints|file-systems|since-boot)\\.ts$',
  // Of several processes on one store.
  '^src/storage/(commit/among-others|sharing/(commit-note|shared-engine|role|era|part|own-locks|own-turn|session|owner|untaken|turns|named-locks|remote-owner|connection|handshake|messages)|directory/owner-json)\\.ts$',
  '^src/opening/(share|serve|adoption|reach-owner|when-free)\\.ts$',
]

/** @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    ...upward,
    only('level-in-one-file', '^src/storage/level/library\\.ts$', '^(node_modules/)?level(/|$)'),
    only('noble-in-crypto', '^src/crypto/', '@noble/'),
    only('encodings-in-two-places', '^src/(crypto/|base/bytes\\.ts$)', '@scure/'),
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
      to: {
        path: '^src/',
        pathNot: '^src/(cli/|index\\.ts$|(stripe|os-keyring|migrate)/index\\.ts$|platform/(optional-peer|sync)\\.ts$)',
      },
    },
    only('cli-libraries-in-cli', '^src/cli/', '(^|/)(commander|fast-string-width|cli-progress)'),
    only('dotenv-is-what-tests-compare-with', '^$', '(^|/)dotenv(/|$)'),
    only('keyring-library-in-keyring', '^src/os-keyring/', '@napi-rs/'),
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
        pathNot:
          '^src/(((stripe|electron|os-keyring|cache|migrate|keytar|keyv|unstorage)/)?index|cli/bin|electron/preload|platform/injected)\\.ts$',
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

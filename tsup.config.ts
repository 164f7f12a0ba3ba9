import { readFileSync } from 'node:fs'
import { defineConfig, type Options } from 'tsup'

const { version } = JSON.parse(readFileSync('package.json', 'utf8'))

/**
 * At the head of each file of types, so that they hold without @types/node, and with no more than `lib: es2022`. These
 * interfaces are empty but for what the app's own types say of them.
 */
const DECLARED = `/// <reference lib="esnext.disposable" />
declare global {
  interface AbortSignal {}
  interface Request {}
  interface Response {}
  interface WritableStream<W = any> {}
}
`

const shared: Options = {
  entry: {
    index: 'src/index.ts',
    stripe: 'src/stripe/index.ts',
    electron: 'src/electron/index.ts',
    keyring: 'src/os-keyring/index.ts',
    cache: 'src/cache/index.ts',
    migrate: 'src/migrate/index.ts',
    keytar: 'src/keytar/index.ts',
    keyv: 'src/keyv/index.ts',
    unstorage: 'src/unstorage/index.ts',
  },
  // What they share is one file: two copies of the store would not know each other.
  splitting: true,
  outDir: 'dist',
  target: 'node20',
  platform: 'node',
  dts: { banner: DECLARED },
  // Older than `node:` is nothing we support; without this the prefix is stripped.
  removeNodeProtocol: false,
  // What a context of jest with jsdom lacks.
  inject: ['src/platform/injected.ts'],
}

/** jest runs CommonJS in a way that has no `import()`, so what is loaded on demand is loaded by `require` there. */
const requireOnDemand: NonNullable<Options['plugins']>[number] = {
  name: 'require-on-demand',
  renderChunk(code) {
    const rewritten = code.replaceAll(
      /\bimport\(("(?:\.\/[^"]+|level)")\)/g,
      'Promise.resolve().then(() => require($1))',
    )
    return { code: rewritten }
  },
}

export default defineConfig([
  { ...shared, format: 'esm' },
  // @noble/* and @scure/* are ES modules only, which `require` cannot load in Electron 33: the CommonJS build carries them.
  // Tree-shaken by Rollup, which also turns the shared file into CommonJS without rewriting the syntax.
  // `shims`: `import.meta.url`, from which an optional library is looked for.
  {
    ...shared,
    format: 'cjs',
    treeshake: true,
    shims: true,
    noExternal: [/^@(noble|scure)\//],
    plugins: [requireOnDemand],
  },
  {
    // A sandboxed preload script is one file, and may require `electron` alone.
    entry: { 'electron-preload': 'src/electron/preload.ts' },
    format: 'cjs',
    outDir: 'dist',
    target: 'node20',
    platform: 'node',
    splitting: false,
    dts: true,
    external: ['electron'],
  },
  {
    // For preload scripts that apps bundle themselves: one file again, so that nothing of Node comes with it.
    entry: { 'electron-expose': 'src/electron/expose.ts' },
    format: ['esm', 'cjs'],
    outDir: 'dist',
    target: 'node20',
    platform: 'neutral',
    splitting: false,
    dts: true,
  },
  {
    // The program uses the library as everybody does, by its name, and loads it when a command needs it.
    entry: { cli: 'src/cli/bin.ts' },
    format: 'esm',
    outDir: 'dist',
    target: 'node20',
    platform: 'node',
    splitting: true,
    minify: true,
    legalComments: 'none',
    removeNodeProtocol: false,
    external: [/^app-secret-store/],
    define: { __VERSION__: JSON.stringify(version) },
    // Some of what is built in is CommonJS, and asks for parts of Node by `require`.
    banner: {
      js: "#!/usr/bin/env node\nimport { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
    },
  },
])

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

/** The program's `import()`, by `require`, which starts no loader of ES modules. A CommonJS module is its own default. */
const programOnDemand: NonNullable<Options['plugins']>[number] = {
  name: 'program-on-demand',
  renderChunk(code) {
    const loaded =
      'Promise.resolve(require($1)).then((m) => (m.__esModule ? m : Object.create(m, { default: { value: m } })))'
    return {
      code: code.replaceAll(
        /\bimport\(("(?:\.\/|app-secret-store)[^"]*")\)/g,
        `Promise.resolve().then(() => ${loaded})`,
      ),
    }
  },
}

/**
 * Parts of Node that take long to load, each loaded when something of it is first used. `--help` and many a command use
 * none of them.
 */
const partsOfNodeOnDemand: NonNullable<Options['esbuildPlugins']>[number] = {
  name: 'parts-of-node-on-demand',
  setup(build) {
    const filter = /^node:(child_process|crypto|fs\/promises|os|readline|timers\/promises|tty)$/
    build.onResolve({ filter }, ({ path, importer, namespace }) => {
      // Other packages are loaded on demand themselves.
      const isAtStart = namespace === 'file' && !/node_modules[\\/](?!commander[\\/])/.test(importer)
      return isAtStart ? { path, namespace: 'on-demand' } : { path, external: true }
    })
    build.onLoad({ filter: /.*/, namespace: 'on-demand' }, async ({ path }) => {
      const names = Object.keys(await import(path)).filter((name) => name !== 'default')
      const getter = `Object.defineProperty(exports, name, { enumerable: true, get: () => require('${path}')[name] })`
      return { contents: `for (const name of '${names.join(' ')}'.split(' ')) ${getter}` }
    })
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
    // The program uses the library as everybody does, by its name, and loads it when a command needs it. CommonJS, as Node
    // starts it sooner: scripts call the program often.
    entry: { cli: 'src/cli/bin.ts' },
    format: 'cjs',
    outDir: 'dist',
    target: 'node20',
    platform: 'node',
    splitting: true,
    minify: true,
    legalComments: 'none',
    removeNodeProtocol: false,
    shims: true,
    external: [/^app-secret-store/],
    define: { __VERSION__: JSON.stringify(version) },
    treeshake: true,
    esbuildPlugins: [partsOfNodeOnDemand],
    plugins: [programOnDemand],
    banner: { js: '#!/usr/bin/env node' },
  },
])

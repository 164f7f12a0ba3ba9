import { defineConfig, type Options } from 'tsup'

const shared: Options = {
  entry: { index: 'src/index.ts', stripe: 'src/stripe/index.ts' },
  // What they share is one file: two copies of the store would not know each other.
  splitting: true,
  outDir: 'dist',
  target: 'node20',
  platform: 'node',
  dts: true,
  // Older than `node:` is nothing we support; without this the prefix is stripped.
  removeNodeProtocol: false,
}

export default defineConfig([
  { ...shared, format: 'esm' },
  // @noble/* and @scure/* are ES modules only, which `require` cannot load in Electron 33: the CommonJS build carries them.
  // Tree-shaken by Rollup, which also turns the shared file into CommonJS without rewriting the syntax.
  { ...shared, format: 'cjs', treeshake: true, noExternal: [/^@(noble|scure)\//] },
])

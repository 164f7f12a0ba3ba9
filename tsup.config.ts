import { defineConfig, type Options } from 'tsup'

const shared: Options = {
  entry: ['src/index.ts'],
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
  { ...shared, format: 'cjs', noExternal: [/^@(noble|scure)\//] },
])

import { basename } from 'node:path'
import { gzipSync } from 'node:zlib'
import { build } from 'esbuild'

/** Bytes, minified and gzipped file by file, without the packages. */
export interface BundleSize {
  /** What is loaded at once. */
  readonly atStart: number
  /** With what is loaded when it is needed. */
  readonly total: number
}

/** What a bundler makes of the library. @param entry - Path of its sources' or its build's first file. */
export async function bundleSize(entry: string): Promise<BundleSize> {
  const { outputFiles, metafile } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    packages: 'external',
    outdir: 'out',
    write: false,
    metafile: true,
  })
  const atStart = new Set<string>()
  const visit = (output: string): void => {
    const name = basename(output)
    if (atStart.has(name)) return
    atStart.add(name)
    for (const { path, kind, external } of metafile.outputs[output]?.imports ?? []) {
      if (kind === 'import-statement' && external !== true) visit(path)
    }
  }
  visit('out/index.js')
  const files = outputFiles.map(({ path, contents }) => ({
    name: basename(path),
    bytes: gzipSync(contents, { level: 9 }).length,
  }))
  const sum = (counted: typeof files): number => counted.reduce((bytes, file) => bytes + file.bytes, 0)
  return { atStart: sum(files.filter(({ name }) => atStart.has(name))), total: sum(files) }
}

import { readdir } from 'node:fs/promises'
import { build } from 'esbuild'
import { fromRoot } from '../../support/paths'

const INSIDE = 'test/system/runtimes/inside'
/** The tests that are only for here. */
export const OWN: readonly string[] = ['processes', 'sharing', 'paths', 'lines', 'modules', 'exchange']
/** What those start as a process. */
const PROGRAMS: readonly string[] = ['owner', 'sharer']

/**
 * Builds each file of test/behaviour, and those of `inside`, into one file that needs nothing but the package by its name:
 * vitest is exchanged for the runner over `node:test`.
 *
 * @returns The names of the built test files.
 */
export async function buildTests(directory: string): Promise<string[]> {
  const names = (await readdir(fromRoot('test/behaviour'))).filter((name) => name.endsWith('.test.ts'))
  const entries: (readonly [name: string, path: string])[] = names.map((name) => [
    name.replace(/\.ts$/, ''),
    `test/behaviour/${name}`,
  ])
  for (const name of OWN) entries.push([`${name}.test`, `${INSIDE}/${name}.ts`])
  await buildInto(directory, entries)
  await buildPrograms(directory)
  return entries.map(([name]) => `${name}.mjs`)
}

/** Builds the programs alone. */
export async function buildPrograms(directory: string): Promise<void> {
  await buildInto(
    directory,
    PROGRAMS.map((name) => [name, `${INSIDE}/${name}.ts`]),
  )
}

async function buildInto(
  directory: string,
  entries: readonly (readonly [name: string, path: string])[],
): Promise<void> {
  await build({
    entryPoints: Object.fromEntries(entries.map(([name, path]) => [name, fromRoot(path)])),
    outdir: directory,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    alias: { vitest: fromRoot('test/support/node-runner/index.ts') },
    external: ['app-secret-store', 'app-secret-store/*'],
    // Not the paths in there, by which the package's name is its sources.
    tsconfigRaw: { compilerOptions: { target: 'es2022' } },
    absWorkingDir: fromRoot(),
    logLevel: 'error',
  })
}

import { type ChildProcess, spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { onTestFinished } from 'vitest'

/** What has native parts, or is only there if the app has installed it. */
const EXTERNAL = ['level', 'sodium-native', '@napi-rs/keyring']

/**
 * Puts a TypeScript program of this directory into files that Node starts by itself, in a tenth of the time: for tests
 * that start hundreds. They go away with the test.
 *
 * @returns Starts it, in a process of its own.
 */
export async function bundleChild(
  program: string,
): Promise<(args?: readonly string[], nodeArgs?: readonly string[]) => ChildProcess> {
  // Inside the project, from where packages are found.
  await mkdir('output', { recursive: true })
  const directory = await mkdtemp(join('output', 'child-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  await build({
    entryPoints: [fileURLToPath(new URL(program, import.meta.url))],
    outdir: directory,
    bundle: true,
    splitting: true,
    format: 'esm',
    platform: 'node',
    target: 'node20',
    outExtension: { '.js': '.mjs' },
    external: EXTERNAL,
    logLevel: 'error',
  })
  const path = join(directory, `${basename(program, '.ts')}.mjs`)
  return (args = [], nodeArgs = []) =>
    spawn(process.execPath, [...nodeArgs, path, ...args], { stdio: ['pipe', 'pipe', 'inherit', 'ipc'] })
}

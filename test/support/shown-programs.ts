import { execFile } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { transform } from 'esbuild'
import { builtProgram } from './programs'

/** Runs the programs that documents show and examples/ has. */

/** The module that stands for a name in an import: the built library, or a package of this project. */
export function moduleUrl(name: string): string {
  const [, subpath] = /^app-secret-store(?:\/(\w+))?$/.exec(name) ?? []
  if (/^app-secret-store(\/|$)/.test(name)) return pathToFileURL(builtProgram(`library/${subpath ?? 'index'}`)).href
  try {
    return name.startsWith('.') ? name : import.meta.resolve(name)
  } catch {
    // A package that the program only names, such as for its types.
    return name
  }
}

/** The same code with each import by the URL of its module, so that it runs from any directory. */
export function withModuleUrls(code: string): string {
  return code.replaceAll(/(?<=\bfrom )'([^']+)'/g, (_, name: string) => `'${moduleUrl(name)}'`)
}

/** Runs a TypeScript program with `cwd` as its directory. @returns The lines of its stdout. */
export async function runShown(
  code: string,
  cwd: string,
  { directory = cwd, env }: { readonly directory?: string; readonly env?: NodeJS.ProcessEnv } = {},
): Promise<string[]> {
  const compiled = await transform(withModuleUrls(code), { loader: 'ts', format: 'esm', target: 'node20' })
  const program = join(directory, 'program.mjs')
  await writeFile(program, compiled.code)
  const { stdout } = await promisify(execFile)(process.execPath, [program], { cwd, ...(env && { env }) })
  return stdout.trimEnd().split('\n')
}

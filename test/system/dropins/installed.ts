import { execFile } from 'node:child_process'
import { cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { promisify } from 'node:util'
import { fromRoot } from '../../support/paths'

const run = promisify(execFile)

/** The library as npm would publish it, below the packages that it stands in for. */
export interface Installed {
  /** Imports a module as a program in that place does. */
  load(name: string): Promise<unknown>
  /** The same by `require`. */
  require(name: string): unknown
  /** Runs a program in that place. @returns The lines of its stdout. */
  run(code: string): Promise<string[]>
  /** Compiles a program in that place, against the sources. @returns What TypeScript has to say against it. */
  compile(code: string): Promise<string>
  remove(): Promise<void>
}

const ORIGINALS = fromRoot('output/dropins')
/** What the originals' own tests need, none of it the library's. */
const MANIFESTS = ['package.json', 'package-lock.json'] as const

export async function install(): Promise<Installed> {
  await installOriginals()
  const place = await mkdtemp(join(ORIGINALS, 'library-'))
  await installLibrary(place)
  const program = join(place, 'program.mjs')
  // `import()` finds packages from the file that it is in.
  await writeFile(program, 'export const load = (name) => import(name)\n')
  const { load } = await import(/* @vite-ignore */ pathToFileURL(program).href)
  return {
    load,
    require: createRequire(program),
    async run(code) {
      const path = join(place, `${crypto.randomUUID()}.mjs`)
      await writeFile(path, code)
      return (await run(process.execPath, [path])).stdout.trimEnd().split('\n')
    },
    async compile(code) {
      const options = { extends: fromRoot('tsconfig.json'), include: ['program.ts'] }
      await writeFile(join(place, 'tsconfig.json'), JSON.stringify(options))
      await writeFile(join(place, 'program.ts'), code)
      const tsc = fromRoot('node_modules/typescript/bin/tsc')
      return run(process.execPath, [tsc, '-p', place]).then(
        ({ stdout }) => stdout,
        ({ stdout }) => stdout,
      )
    },
    remove: () => rm(place, { recursive: true, force: true }),
  }
}

/** Once for each state of the lock file, without install scripts. */
async function installOriginals(): Promise<void> {
  const wanted = await Promise.all(MANIFESTS.map((name) => readFile(fromRoot(`test/system/dropins/${name}`), 'utf8')))
  const stamp = join(ORIGINALS, 'node_modules/.installed')
  if ((await readFile(stamp, 'utf8').catch(() => undefined)) === wanted.join('')) return
  await mkdir(ORIGINALS, { recursive: true })
  for (const [index, name] of MANIFESTS.entries()) await writeFile(join(ORIGINALS, name), wanted[index] as string)
  await run('npm', ['ci', '--ignore-scripts', '--no-audit', '--no-fund'], { cwd: ORIGINALS })
  await writeFile(stamp, wanted.join(''))
}

/** Built and packed in a folder of its own: a build that something else is using is left alone. */
async function installLibrary(place: string): Promise<void> {
  const source = join(place, 'source')
  await mkdir(source)
  const tsup = fromRoot('node_modules/tsup/dist/cli-default.js')
  await run(process.execPath, [tsup, '--out-dir', join(source, 'dist'), '--no-dts'], { cwd: fromRoot() })
  for (const name of ['package.json', 'README.md', 'LICENSE']) await cp(fromRoot(name), join(source, name))
  const { stdout } = await run('npm', ['pack', '--silent', '--ignore-scripts', '--pack-destination', place], {
    cwd: source,
  })
  const library = join(place, 'node_modules/app-secret-store')
  await mkdir(library, { recursive: true })
  await run('tar', ['-xzf', join(place, stdout.trim()), '-C', library, '--strip-components', '1'])
  await rm(source, { recursive: true })
}

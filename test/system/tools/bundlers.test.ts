import { cp, mkdir, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { fromRoot } from '../../support/paths'
import { needElectron, run as runApp, useElectron } from '../electron/harness'
import { npmProject, type Ran, run, runNode, useWorkplace } from './workplace'

// The recipes of docs/bundling.md, as they stand there. What they make runs in a place without `node_modules`.

let project: string

interface Recipe {
  readonly title: string
  /** Blocks that begin with a comment of their file's name. */
  readonly files: ReadonlyMap<string, string>
  readonly commands: string
}

const page = await readFile(fromRoot('docs/bundling.md'), 'utf8')
const recipes = page
  .split(/^## /m)
  .slice(1)
  .map(readRecipe)
  .filter(({ commands }) => commands !== '')

function readRecipe(section: string): Recipe {
  const files = [...section.matchAll(/^```js\n\/\/ (\S+)\n([\s\S]*?)^```$/gm)]
  const commands = [...section.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  return {
    title: section.slice(0, section.indexOf('\n')),
    files: new Map(files.map(([, name = '', text = '']) => [name, text])),
    commands: commands.map(([, text]) => text).join(''),
  }
}

const place = useWorkplace(async (ready) => {
  project = await npmProject(ready, 'bundlers')
  await cp(join(project, 'program.mjs'), join(project, 'app.mjs'))
  // Optional packages are looked for beside the bundle, never where it was made.
  await mkdir(join(project, 'node_modules/sodium-native'))
  await writeFile(join(project, 'node_modules/sodium-native/index.js'), "console.log('loaded where it was made')")
})

/** Follows a recipe. @returns A folder with what is in `dist`, away from the project. */
async function follow({ files, commands }: Recipe): Promise<string> {
  for (const [name, text] of files) await writeFile(join(project, name), text)
  await rm(join(project, 'dist'), { recursive: true, force: true })
  const { status, output } = await run(project, ['bash', '-e', '-c', commands])
  expect(status, output).toBe(0)
  // Bundlers warn of what may go wrong later, and of what is none of ours.
  expect(output.replaceAll(/.*annotation that Rollup cannot interpret.*/g, '')).not.toMatch(
    /\bwarning in\b|could not|unresolved/i,
  )
  const away = join(await newFolder(), 'dist')
  await rename(join(project, 'dist'), away)
  return away
}

let folders = 0

/** Beside the projects, where no package of theirs is found. The tools are: none of them is a part of the library. */
async function newFolder(): Promise<string> {
  const folder = join(place().folder, `away-${++folders}`)
  await mkdir(folder)
  return folder
}

async function runBundle(folder: string): Promise<Ran> {
  const [program = ''] = (await readdir(folder)).filter((name) => /^app\.[cm]js$/.test(name))
  return runNode(folder, [program])
}

const DONE = { status: 0, output: expect.stringMatching(/^\d\d checks\n$/) }

test('the page has a recipe for each bundler', () => {
  expect(recipes.map(({ title }) => title.split(',')[0])).toEqual([
    'esbuild',
    'esbuild',
    'webpack',
    'Vite',
    'Rollup',
    'One file',
  ])
})

test.each(recipes)('$title', async (recipe) => {
  const folder = await follow(recipe)
  expect(await runBundle(folder)).toEqual(DONE)
  if (recipe.title.startsWith('One file')) expect(await readdir(folder)).toEqual(['app.cjs', 'classic-level.node'])
  await rm(join(folder, 'classic-level.node'), { force: true })
  await rm(join(folder, 'prebuilds'), { recursive: true, force: true })
  expectNoBinary(await runBundle(folder))
})

/** What to do is said, and stores in memory work. */
function expectNoBinary({ status, output }: Ran): void {
  expect(status).toBe(1)
  expect(output).toContain("put classic-level's folder prebuilds beside it (docs/bundling.md)")
  expect(output).not.toContain('FAILED a store in memory')
}

useElectron()

test('webpack, in the main process of Electron', async (context) => {
  needElectron(context)
  const recipe = recipes.find(({ title }) => title === 'webpack') as Recipe
  const holder = join(await follow(recipes[0] as Recipe), 'app.cjs')
  const config = recipe.files.get('webpack.config.cjs') as string
  const forElectron = config.replace("'node'", "'electron-main'").replace('./app.mjs', './electron-main.mjs')
  const folder = await follow({ ...recipe, files: new Map([['webpack.config.cjs', forElectron]]) })
  await writeFile(join(folder, 'package.json'), JSON.stringify({ name: 'bundled', main: 'app.cjs' }))
  const { exitCode, stdout } = await runApp(folder, { userData: join(folder, 'user-data'), env: { HOLDER: holder } })
  expect({ status: exitCode, output: stdout }).toEqual(DONE)
})

test('esbuild, to an ES module without the banner: ERR_NO_BINARY, too', async () => {
  const recipe = recipes[1] as Recipe
  const commands = recipe.commands.replace(/ --banner:js="[^"]*"/, '')
  expect(commands).not.toContain('banner')
  expectNoBinary(await runBundle(await follow({ ...recipe, commands })))
})

// node bundle.mjs FOLDER '{ "bundler": …, "entry": …, "outfile": … }': a preload script in one file, by a bundler of FOLDER/node_modules.
import { createRequire } from 'node:module'
import { basename, dirname, join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [folder, task] = process.argv.slice(2)
const { bundler, entry, outfile } = JSON.parse(task)
const require = createRequire(join(folder, 'package.json'))
const load = (name) => import(pathToFileURL(require.resolve(name)).href)

async function byVite(name) {
  const { build } = await load(name)
  await build({
    configFile: false,
    root: dirname(entry),
    logLevel: 'error',
    build: {
      lib: { entry, formats: ['cjs'], fileName: () => basename(outfile) },
      rollupOptions: { external: ['electron'] },
      // The entry itself may be CommonJS.
      commonjsOptions: { include: [/node_modules/, /\.cjs$/] },
      outDir: dirname(outfile),
      emptyOutDir: false,
      minify: false,
    },
  })
}

async function byEsbuild(platform) {
  const { build } = await load('esbuild')
  await build({ entryPoints: [entry], bundle: true, platform, format: 'cjs', external: ['electron'], outfile })
}

async function byWebpack() {
  const { default: webpack } = await load('webpack')
  const output = { path: dirname(outfile), filename: basename(outfile) }
  const options = { target: 'electron-preload', mode: 'production', context: dirname(entry), entry, output }
  await new Promise((resolve, reject) => {
    webpack(options, (error, stats) => {
      if (error || stats.hasErrors()) reject(error ?? new Error(stats.toString('errors-only')))
      else resolve()
    })
  })
}

const bundlers = {
  'esbuild for Node': () => byEsbuild('node'),
  'esbuild for browsers': () => byEsbuild('browser'),
  'Vite 7': () => byVite('vite-7'),
  'Vite 8': () => byVite('vite'),
  webpack: byWebpack,
}
await bundlers[bundler]()

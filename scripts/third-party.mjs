/**
 * What the built files carry of other projects, and THIRD-PARTY.md made of it. `node scripts/third-party.mjs`.
 */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

const INTRODUCTION = `# Third-party software

What the built files carry of other projects, under the licenses that these ask to be passed on. Their texts are as the projects have them.
`

/**
 * The packages of which something is in the files of a build that is not minified: above each module the bundler says
 * which file it was.
 *
 * @param {string} directory
 * @returns {Map<string, Set<string>>} Package → which entries carry it.
 */
export function carriedPackages(directory) {
  const carried = new Map()
  for (const name of readdirSync(directory)) {
    if (!/\.c?js$/.test(name)) continue
    const code = readFileSync(join(directory, name), 'utf8')
    for (const [, module = ''] of code.matchAll(/^\/\/ node_modules\/((?:@[^/\n]+\/)?[^/\n]+)\//gm)) {
      const entries = carried.get(module) ?? new Set()
      carried.set(module, entries.add(entryOf(name, code)))
    }
  }
  return carried
}

/** Only the command line is built in files of its own beside those of the library. */
function entryOf(name, code) {
  if (name.startsWith('stripe.')) return '`app-secret-store/stripe`'
  if (code.startsWith('#!')) return 'the command line'
  return name.endsWith('.cjs') ? 'the CommonJS files' : 'the ES modules'
}

/**
 * @param {Map<string, Set<string>>} carried
 * @returns {string}
 */
export function thirdPartyNotices(carried) {
  const parts = [...carried].sort().map(([module, entries]) => {
    const folder = join(root, 'node_modules', module)
    const { version, license: named } = JSON.parse(readFileSync(join(folder, 'package.json'), 'utf8'))
    const file = readdirSync(folder).find((name) => /^licen[cs]e(\.md|\.txt)?$/i.test(name))
    if (file === undefined && !named) throw new Error(`${module}: expected a license, got none`)
    const license =
      file === undefined
        ? `${named}, as its package.json says; the text is not with it.`
        : readFileSync(join(folder, file), 'utf8').trim()
    return `\n## ${module}\n\nVersion ${version}, in ${[...entries].sort().join(' and ')}.\n\n\`\`\`text\n${license}\n\`\`\`\n`
  })
  return INTRODUCTION + parts.join('')
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const directory = mkdtempSync(join(tmpdir(), 'secret-store-third-party-'))
  try {
    const tsup = join(root, 'node_modules/tsup/dist/cli-default.js')
    execFileSync(process.execPath, [tsup, '--out-dir', directory, '--no-dts', '--no-minify'], { cwd: root })
    writeFileSync(join(root, 'THIRD-PARTY.md'), thirdPartyNotices(carriedPackages(directory)))
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
}

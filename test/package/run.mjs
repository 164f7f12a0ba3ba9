/**
 * Installs the packed library into an empty folder, without install scripts, and runs the programs of README.md from
 * it: as ES modules, and through `require`. `node test/package/run.mjs`.
 */
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expectedOutput, readmeBlocks, toCommonJs } from './readme-blocks.mjs'

const root = fileURLToPath(new URL('../..', import.meta.url))
const folder = mkdtempSync(join(tmpdir(), 'secret-store-package-'))
const npm = (args, cwd) => execFileSync('npm', args, { cwd, encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] })

let failed = 0
try {
  // `prepack` builds, and what it prints comes first: the name of the tarball is the last line.
  const tarball = npm(['pack', '--silent', '--pack-destination', folder], root).trim().split('\n').at(-1)
  writeFileSync(join(folder, 'package.json'), '{ "name": "empty", "private": true }\n')
  npm(['install', '--ignore-scripts', '--no-audit', '--no-fund', `./${tarball}`], folder)

  for (const { line, code } of readmeBlocks(readFileSync(join(root, 'README.md'), 'utf8'))) {
    for (const [extension, program] of [
      ['mjs', code],
      ['cjs', toCommonJs(code)],
    ]) {
      const name = `line-${line}.${extension}`
      const cwd = join(folder, `${name}-cwd`)
      mkdirSync(cwd)
      writeFileSync(join(folder, name), program)
      const { status, stdout, stderr } = spawnSync(process.execPath, [join(folder, name)], { cwd, encoding: 'utf8' })
      const expected = expectedOutput(code).join('\n')
      const passed = status === 0 && stdout.trimEnd() === expected && stderr === ''
      if (!passed) failed++
      process.stdout.write(`${passed ? 'ok    ' : 'FAILED'} README.md line ${line}, ${extension}\n`)
      if (!passed) process.stdout.write(`expected:\n${expected}\ngot:\n${stdout}${stderr}\n`)
    }
  }
} finally {
  rmSync(folder, { recursive: true, force: true })
}
process.exitCode = failed === 0 ? 0 : 1

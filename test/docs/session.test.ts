import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'
import { linesOf, pictureOf, textOf } from '../../scripts/session-picture'
import { SHELL_COMMAND } from '../support/cli-program'
import { fromRoot } from '../support/paths'
import { hasTerminals } from '../support/terminal'

const written = await readFile(fromRoot('docs/session.svg'), 'utf8')

/** Ids and times apart, which differ each time. */
function alike(line: string): string {
  return line
    .replace(/appsecret_\w{24}/g, 'appsecret_ID')
    .replace(/\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}Z/g, 'TIME')
    .replace(/\((?:now|(?:in )?(?:\d+|an?) \w+(?: ago)?)\)/g, '(SPAN)')
    .replace(/ {2,}/g, '  ')
    .trimEnd()
}

test.skipIf(!hasTerminals)('docs/session.svg is what a terminal shows of the program', async () => {
  const { recordSession } = await import('../../scripts/session-record')
  const rows = await recordSession(SHELL_COMMAND)
  expect(linesOf(written).map(alike)).toEqual(rows.map((row) => alike(textOf(row))))
  expect(linesOf(pictureOf(rows))).toEqual(rows.map(textOf))
})

test('the picture is small, of text alone, and shows no passphrase', () => {
  const lines = linesOf(written)
  expect(lines.length).toBeGreaterThan(15)
  expect(lines.length).toBeLessThanOrEqual(25)
  expect(written.length).toBeLessThan(40_000)
  expect(written).not.toMatch(/gibbon|<image|<script|@font-face|url\(|href/)
  for (const command of ['init', 'set', 'list', 'run']) {
    expect(lines.some((line) => line.startsWith('$ ') && line.includes(`secret-store ${command}`))).toBe(true)
  }
  expect(lines).toContain('the command sees example-key')
})

test('README.md shows the picture, with words for who does not see it', async () => {
  const readme = await readFile(fromRoot('README.md'), 'utf8')
  expect(readme).toMatch(/<img src="docs\/session\.svg" alt="[^"]{40,}"/)
})

import { expect, test } from 'vitest'
import { strengthHint } from '../../../src/cli/strength'

const WEAK = '; a few unrelated words are better'

test.each([
  [
    'very weak',
    ['a', 'password', 'P@ssw0rd!', 'Password1!', 'letmein123', 'iloveyou2', 'hunter2', 'ginger99cat', '123456789012'],
  ],
  [
    'very weak',
    ['aaaaaaaaaaaaaaaaaaaaaaaa', 'abcabcabcabcabcabc', 'qwertyuiop', 'zyxwvutsrq', 'admin admin', 'Summer2026'],
  ],
  ['weak', ['x7k!p2', 'troubadour', 'correct']],
  ['fair', ['tr0ub4d&3xy', 'giraffe clouds']],
])('%s: %j', (strength, passphrases) => {
  for (const passphrase of passphrases) {
    expect([passphrase, strengthHint(passphrase)]).toEqual([passphrase, `Strength: ${strength}${WEAK}.`])
  }
})

test.each([
  ['good', ['Tr0ub4dour&3x', 'giraffe tulip cloud']],
  [
    'strong',
    [
      'correct horse battery staple',
      'Xk9#vT2q!mLz84Rw',
      'gibbon kettle vivid orbit',
      'пароль жираф окно тюльпан лампа',
    ],
  ],
])('%s: %j', (strength, passphrases) => {
  for (const passphrase of passphrases) {
    expect([passphrase, strengthHint(passphrase)]).toEqual([passphrase, `Strength: ${strength}.`])
  }
})

test('one more character never makes less of a passphrase of random characters', () => {
  const order = ['very weak', 'weak', 'fair', 'good', 'strong'].map((name) => `Strength: ${name}`)
  const rank = (hint: string): number =>
    order.findIndex((start) => hint.startsWith(`${start}.`) || hint.startsWith(`${start};`))
  const text = 'k4V9xQm2Wr8Tz6Jp0LhY'
  const ranks = [...text].map((_, index) => rank(strengthHint(text.slice(0, index + 1))))
  expect(ranks).toEqual([...ranks].sort())
  expect([ranks[0], ranks.at(-1)]).toEqual([0, 4])
})

test('any text is judged, and nothing of it is repeated', () => {
  for (const text of ['a'.repeat(1_000_000), 'ab'.repeat(500_000), 'ſẞİ'.repeat(300_000), `${'a'.repeat(99)}\ud800`]) {
    expect(strengthHint(text)).toMatch(
      /^Strength: (very weak|weak|fair|good|strong)(; a few unrelated words are better)?\.$/,
    )
  }
})

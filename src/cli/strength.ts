/**
 * How strong a passphrase may be, for the person who types it; nothing is refused for it.
 *
 * The estimate is that of NIST SP 800-63-2 (2013), appendix A.2, after common passwords, repetitions and sequences were
 * cut to one character each. It knows few words, so it may call a weak passphrase strong.
 */
export function strengthHint(passphrase: string): string {
  const bits = guessedBits(passphrase)
  const [name] = STRENGTHS.find(([, below]) => bits < below) ?? ['strong']
  const advice = bits < GOOD_BITS ? '; a few unrelated words are better' : ''
  return `Strength: ${name}${advice}.`
}

const GOOD_BITS = 28
const STRENGTHS = [
  ['very weak', 14],
  ['weak', 20],
  ['fair', GOOD_BITS],
  ['good', 34],
] as const

/** The rest of a long one changes nothing. */
const MOST_CHARACTERS = 100

function guessedBits(passphrase: string): number {
  const text = withoutPatterns(withoutCommonWords(passphrase.slice(0, MOST_CHARACTERS)))
  const characters = [...text].length
  // The first character is worth 4 bits, the next seven 2, those up to the twentieth 1.5, and all others 1.
  const bits = characters + Math.min(characters, 20) / 2 + Math.min(characters, 8) / 2 + Math.min(characters, 1) * 2
  const isMixed = /\p{Lu}/u.test(text) && /[^\p{L}\s]/u.test(text) && characters >= 8
  return bits + (isMixed ? 6 : 0)
}

/** Digits and signs that stand for letters are read as those. */
function withoutCommonWords(text: string): string {
  const read = text.toLowerCase().replaceAll(/[013457@$!]/g, (sign) => STANDS_FOR[sign] as string)
  // Some letters have a lower case of another length; such a text is judged as it is.
  if (read.length !== text.length) return text
  let rest = ''
  let at = 0
  for (const { 0: word, index } of read.matchAll(COMMON)) {
    rest += text.slice(at, index) + word.slice(0, 1)
    at = index + word.length
  }
  return rest + text.slice(at)
}

/** `abcabc` → `abc`, and of `1234`, `dcba`, `qwert` and `aaaa` the first character alone. */
function withoutPatterns(text: string): string {
  const characters = [...text.replaceAll(/(.+?)\1+/gsu, '$1')]
  const step = (index: number): number => codeOf(characters[index]) - codeOf(characters[index - 1])
  const continues = (index: number): boolean => {
    const before = (characters[index - 1] ?? '') + (characters[index] ?? '')
    return Math.abs(step(index)) <= 1 || KEY_ROWS.includes(before.toLowerCase())
  }
  return characters.filter((_, index) => index === 0 || !continues(index)).join('')
}

function codeOf(character = ''): number {
  return character.toLowerCase().codePointAt(0) ?? 0
}

const STANDS_FOR: Readonly<Record<string, string>> = {
  ...{ 0: 'o', 1: 'i', 3: 'e', 4: 'a', 5: 's', 7: 't' },
  ...{ '@': 'a', $: 's', '!': 'i' },
}

const KEY_ROWS = 'qwertyuiop asdfghjkl zxcvbnm qwertz azerty'

/** Words of the lists of the most common passwords, and what an admin would try first. */
const COMMON = new RegExp(
  [
    'password passwort passwd passphrase letmein welcome administrator admin login access secretstore secret changeme',
    'default master hello iloveyou whatever trustnoi sunshine princess dragon monkey shadow superman batman starwars',
    'football baseball basketball soccer hockey hunter ranger killer freedom flower summer winter spring autumn',
    'michael jennifer jordan thomas robert daniel andrew joshua jessica ashley charlie george maggie harley buster',
    'pepper ginger cheese cookie banana orange purple silver computer internet samsung google facebook matrix mustang',
    'corvette ferrari pokemon naruto nothing forever lovely loveme qazwsx zaqi asdf qwer test guest root user pass love',
  ]
    .flatMap((line) => line.split(' '))
    .join('|'),
  'g',
)

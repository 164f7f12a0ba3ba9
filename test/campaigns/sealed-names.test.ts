import { randomBytes, randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, onTestFinished, test } from 'vitest'
import type { NameMode } from '../../src/index'
import { afterEachStep } from '../support/engine-spy'
import { startChild } from '../support/programs'
import { openPlace, type Workplace, work } from '../support/programs/sealer'
import { filesOf, temporaryDirectory } from '../support/stores'

const KILLS = 6
const MOST_WORK_MS = 900
const ROUNDS = 2
/**
 * Any stretch of so many characters counts as found: LevelDB leaves out of a key what it shares with the one before it,
 * and cuts what it logs into blocks.
 */
const STRETCH = 12

/** What is looked for. */
interface Needle {
  readonly what: string
  readonly bytes: Buffer
}

/** Finds needles in files. One pass over each file for all needles, and one more that does not tell a from A. */
class Search {
  readonly #exact: NeedleIndex
  readonly #folded: NeedleIndex

  /** @param texts - What they are, and what they say; at least 12 characters each. */
  constructor(texts: ReadonlyMap<string, string>) {
    const exact: Needle[] = []
    const folded: Needle[] = []
    for (const [what, text] of texts) {
      for (let start = 0; start + STRETCH <= text.length; start++) {
        const stretch = text.slice(start, start + STRETCH)
        const bytes = Buffer.from(stretch)
        exact.push(
          { what: `${what}, UTF-8`, bytes },
          { what: `${what}, UTF-16`, bytes: Buffer.from(stretch, 'utf16le') },
        )
        for (const encoding of ['base64', 'base64url'] as const) {
          for (const encoded of encodings(bytes, encoding)) exact.push({ what: `${what}, ${encoding}`, bytes: encoded })
        }
        folded.push({ what: `${what}, hex`, bytes: Buffer.from(bytes.toString('hex')) })
      }
    }
    this.#exact = new NeedleIndex(exact)
    this.#folded = new NeedleIndex(folded)
  }

  /** @returns What was found, and in which file; nothing twice. */
  async run(directory: string): Promise<string[]> {
    const found = new Set<string>()
    for (const [path, bytes] of await filesOf(directory)) {
      const needles = [...this.#exact.findIn(bytes), ...this.#folded.findIn(foldHex(bytes))]
      for (const { what } of needles) found.add(`${what} in ${path}`)
      // A name may be in the name of a file.
      for (const { what } of this.#exact.findIn(Buffer.from(path))) found.add(`${what} in the name of ${path}`)
    }
    return [...found]
  }
}

/** What the characters of base64 that depend on no other byte are, wherever in a group of three the bytes begin. */
function encodings(bytes: Buffer, encoding: 'base64' | 'base64url'): Buffer[] {
  return [0, 1, 2].map((before) => {
    const text = Buffer.concat([Buffer.alloc(before), bytes]).toString(encoding)
    return Buffer.from(text.slice(Math.ceil((before * 8) / 6), Math.floor(((before + bytes.length) * 8) / 6)))
  })
}

/** A to F in lower case. */
function foldHex(bytes: Buffer): Buffer {
  const folded = Buffer.from(bytes)
  for (let offset = 0; offset < folded.length; offset++) {
    const byte = folded[offset] as number
    if (byte >= 0x41 && byte <= 0x46) folded[offset] = byte + 0x20
  }
  return folded
}

class NeedleIndex {
  readonly #beginnings = new Uint8Array(1 << 16)
  readonly #byBeginning = new Map<number, Needle[]>()

  constructor(needles: readonly Needle[]) {
    for (const needle of needles) {
      this.#beginnings[needle.bytes.readUInt16LE(0)] = 1
      const beginning = needle.bytes.readUInt32LE(0)
      this.#byBeginning.set(beginning, [...(this.#byBeginning.get(beginning) ?? []), needle])
    }
  }

  *findIn(bytes: Buffer): Generator<Needle, void> {
    const beginnings = this.#beginnings
    for (let offset = 0; offset + STRETCH <= bytes.length; offset++) {
      const beginning = (bytes[offset] as number) | ((bytes[offset + 1] as number) << 8)
      if (beginnings[beginning] === 0) continue
      for (const needle of this.#byBeginning.get(bytes.readUInt32LE(offset)) ?? []) {
        if (needle.bytes.equals(bytes.subarray(offset, offset + needle.bytes.length))) yield needle
      }
    }
  }
}

/** 24 letters and digits that are nowhere else. */
function random(): string {
  return randomBytes(40).toString('base64').replace(/\W/g, '').slice(0, 24)
}

/** Searches a directory again and again, and remembers all that it found. */
class Lookout {
  readonly found = new Set<string>()
  searches = 0
  readonly #directory: string
  readonly #search: Search

  constructor(directory: string, search: Search) {
    this.#directory = directory
    this.#search = search
  }

  async look(): Promise<void> {
    this.searches++
    for (const what of await this.#search.run(this.#directory)) this.found.add(what)
  }
}

async function newPlace(mode: NameMode): Promise<{ place: Workplace; lookout: Lookout }> {
  const many = (count: number, prefix = ''): string[] => Array.from({ length: count }, () => prefix + random())
  const directory = await temporaryDirectory()
  const names = [...many(9), ...many(3, 'ключ-')]
  const place = { directory, mode, names, users: many(3, 'usr_'), accounts: many(2, 'acct_'), payloads: many(8) }
  const texts = new Map([
    ...place.names.map((text, index) => [`name ${index}`, text] as const),
    ...place.users.map((text, index) => [`user ${index}`, text] as const),
    ...place.accounts.map((text, index) => [`account ${index}`, text] as const),
    ...place.payloads.map((text, index) => [`payload ${index}`, text] as const),
  ])
  return { place, lookout: new Lookout(directory, new Search(texts)) }
}

/** `name`, `user`, `account` and `payload`, whichever are there. */
function kindsOf(found: Iterable<string>): Set<string> {
  return new Set([...found].map((place) => place.split(' ')[0] as string))
}

/** Sealed names leave nothing to find; plain ones all but the payloads, in the store but not in a backup. */
function expectFound(mode: NameMode, found: ReadonlySet<string>): void {
  if (mode === 'sealed') {
    expect([...found]).toEqual([])
    return
  }
  expect(kindsOf(found)).toEqual(new Set(['name', 'user', 'account']))
  expect([...found].filter((place) => / in (backup|\.secret-store-\w+\.partial)/.test(place))).toEqual([])
}

test('the search finds a name in every encoding, at every alignment, in any case', async () => {
  const directory = await temporaryDirectory()
  await mkdir(join(directory, 'deep'))
  const text = random()
  const search = new Search(new Map([['it', text]]))
  const bytes = Buffer.from(text)
  const mixedCase = bytes.toString('hex').replace(/./g, (digit, index) => (index % 2 ? digit.toUpperCase() : digit))
  const expected: string[] = []
  for (const before of [0, 1, 2, 3]) {
    const padded = Buffer.concat([randomBytes(before), bytes, randomBytes(2)])
    const files = {
      'UTF-8': padded,
      'UTF-16': Buffer.concat([randomBytes(before), Buffer.from(text, 'utf16le')]),
      base64: Buffer.from(padded.toString('base64')),
      base64url: Buffer.from(padded.toString('base64url')),
      hex: Buffer.from(`${'f'.repeat(before)}${mixedCase}`),
    }
    for (const [encoding, contents] of Object.entries(files)) {
      const path = join('deep', `${encoding}-${before}`)
      await writeFile(join(directory, path), contents)
      expected.push(`it, ${encoding} in ${path}`)
    }
  }
  await writeFile(join(directory, 'half'), text.slice(-STRETCH))
  await writeFile(join(directory, 'less'), text.slice(1 - STRETCH))
  await writeFile(join(directory, text), 'nothing')
  const found = await search.run(directory)
  expect(found).toEqual(expect.arrayContaining([...expected, 'it, UTF-8 in half', `it, UTF-8 in the name of ${text}`]))
  expect(found.filter((place) => place.endsWith('less'))).toEqual([])
})

describe.each(['sealed', 'plain'] as const)('names: %s', (mode) => {
  test('what is in the files while the store is used in every way', async () => {
    const { place, lookout } = await newPlace(mode)
    const { found } = lookout
    const look = (): Promise<void> => lookout.look()
    onTestFinished(afterEachStep(look))
    const steps = new Set<string>()
    for (let round = 0; round < ROUNDS; round++) {
      for await (const step of work(place)) {
        steps.add(step)
        await look()
        if (mode === 'sealed') expect([...found], step).toEqual([])
      }
    }
    expectFound(mode, found)
    expect(steps.size).toBe(17)
    console.info(`names: ${mode}: ${lookout.searches} searches in ${ROUNDS} rounds of work found ${found.size} places`)
  })

  test(`what is in the files of a process at work, and after ${KILLS} times kill -9 in the midst`, async () => {
    const { place, lookout } = await newPlace(mode)
    const { found } = lookout
    const look = (): Promise<void> => lookout.look()
    let reserve = startChild('sealer', ['run'])
    onTestFinished(() => void reserve.kill('SIGKILL'))
    for (let kill = 0; kill < KILLS; kill++) {
      const child = reserve
      reserve = startChild('sealer', ['run'])
      child.send(place)
      const [firstStep] = (await once(child.stdout as NodeJS.ReadableStream, 'data')) as [Buffer]
      expect(firstStep.toString()).toMatch(/^open\n/)
      child.stdout?.resume()
      const closed = once(child, 'close') as Promise<[number | null, NodeJS.Signals | null]>
      const timer = setTimeout(() => child.kill('SIGKILL'), randomInt(MOST_WORK_MS))
      let alive = true
      const over = closed.then(([, signal]) => {
        alive = false
        clearTimeout(timer)
        return signal
      })
      while (alive) await look()
      expect(await over).toBe('SIGKILL')
      await look()
      const store = await openPlace(place)
      expect((await store.verify()).ok).toBe(true)
      await look()
      if (kill % 2 === 0) await store.compact()
      await store.close()
      await look()
      if (mode === 'sealed') expectFound(mode, found)
    }
    expectFound(mode, found)
    console.info(`names: ${mode}: ${lookout.searches} searches around ${KILLS} kills found ${found.size} places`)
  })
})

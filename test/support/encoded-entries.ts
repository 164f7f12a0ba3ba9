import { decodeEntries as decodeFile } from '../../src/cli/decode-entries'
import { dotenvEncoder, type Entry, encodeJsonEntry, type FileFormat, jsonFrame } from '../../src/cli/entries'
import { Problems } from '../../src/cli/problems'

/** A whole file, as `export` writes it piece by piece. @throws {Failure} For what the format cannot hold. */
export async function encodeEntries(entries: readonly Entry[], format: FileFormat): Promise<string> {
  if (format === 'json') {
    const { head, tail, empty } = jsonFrame(false)
    const pieces = entries.map((entry, index) => encodeJsonEntry(entry, undefined, index))
    return [head, ...pieces, entries.length === 0 ? empty : tail].join('')
  }
  const encode = await dotenvEncoder()
  const problems = new Problems()
  const lines = entries.map((entry) => {
    const encoded = encode(entry)
    if ('line' in encoded) return encoded.line
    problems.add(encoded.problem)
    return ''
  })
  problems.check((count) => `${count} problems`)
  return lines.join('')
}

/** What a file holds. @throws {Failure} If anything is wrong with it. */
export async function decodeEntries(bytes: Uint8Array, format: FileFormat): Promise<Entry[]> {
  const problems = new Problems()
  const { entries } = await decodeFile(bytes, format, { allScopes: false, skipEmpty: false }, problems)
  problems.check((count) => `${count} problems`)
  return entries.map(({ name, payload, expires_at }) => ({ name, payload, expires_at }))
}

import { isUtf8 } from 'node:buffer'
import { type Failure, usage } from './failure'

const MARK = '\ufeff'
export const LATIN_1 = '`iconv -f LATIN1 -t UTF-8` converts Latin-1'

/**
 * What a file, a pipe, a descriptor or a variable holds where text is meant: passphrases, JSON, dotenv, key files. A byte
 * order mark at the start is no part of it.
 *
 * @throws {Failure} If it is not UTF-8.
 */
export function decodeText(bytes: Uint8Array, label: string): string {
  if (isUtf16(bytes)) throw utf16(label)
  const text = textOf(bytes)
  if (text === undefined) throw usage(`${label}: expected UTF-8, got other bytes`, LATIN_1)
  return withoutMark(text)
}

/** The text that bytes are, as it is, or `undefined`. */
export function textOf(bytes: Uint8Array): string | undefined {
  return isUtf8(bytes) ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) : undefined
}

export function withoutMark(text: string): string {
  return text.startsWith(MARK) ? text.slice(1) : text
}

/** A passphrase, wherever it comes from: a byte order mark before it and one line end after it are no part of it. */
export function passphraseText(text: string): string {
  return withoutMark(text).replace(/\r?\n$/, '')
}

export function utf16(label: string): Failure {
  return usage(
    `${label}: expected UTF-8, got UTF-16`,
    '`iconv -f UTF-16 -t UTF-8` converts it; PowerShell writes UTF-8 with `-Encoding utf8`',
  )
}

/**
 * Whether bytes are UTF-16: by its mark, or because every other one is zero, as of text of A to Z. No key and no passphrase
 * of random bytes looks like that.
 */
export function isUtf16(bytes: Uint8Array): boolean {
  if (bytes.length < 2 || bytes.length % 2 !== 0) return false
  const hasMark = (bytes[0] === 0xff && bytes[1] === 0xfe) || (bytes[0] === 0xfe && bytes[1] === 0xff)
  return hasMark || isHalfZero(bytes, 0) || isHalfZero(bytes, 1)
}

/** Whether the bytes at even or at odd places are zero, but for those of a few other characters, and all others are not. */
function isHalfZero(bytes: Uint8Array, from: 0 | 1): boolean {
  const zeros = (first: number): number => bytes.filter((byte, at) => at % 2 === first && byte === 0).length
  return zeros(from) * 4 >= (bytes.length / 2) * 3 && zeros(1 - from) === 0
}

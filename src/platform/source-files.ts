import { readdir, stat } from 'node:fs/promises'
import { basename, extname, join } from 'node:path'
import { concatAll } from '../base/bytes'
import { NOT_REGULAR, openRegular, unless } from './files'
import { namedPieces } from './pipes'

/** Files of others, which are read and never changed. Errors are Node's own. */

/** All of a file, or of a FIFO, through links. @returns `undefined` if it is neither. */
export async function readNamedFile(path: string): Promise<Uint8Array | undefined> {
  const pieces: Uint8Array[] = []
  const source = namedPieces(path)
  for (;;) {
    const next = await unless(source.next(), NOT_REGULAR, 'EISDIR')
    if (next === undefined) return undefined
    if (next.done) return concatAll(pieces)
    pieces.push(next.value)
  }
}

/** All of a file, through links. @returns `undefined` if it is no regular file. */
export async function readSourceFile(path: string): Promise<Uint8Array | undefined> {
  const file = await unless(openRegular(path, { follow: true }), NOT_REGULAR)
  try {
    return await file?.readFile()
  } finally {
    await file?.close()
  }
}

/** The paths of what is in a directory, in order of name. */
export async function sourceFiles(directory: string): Promise<string[]> {
  return (await readdir(directory)).sort().map((name) => join(directory, name))
}

/** @returns In bytes; `undefined` if there is no such file. */
export async function sourceFileSize(path: string): Promise<number | undefined> {
  const found = await stat(path).catch(() => undefined)
  return found?.isFile() ? found.size : undefined
}

/** The last part of a path, without its last extension: `token` of `/a/token.enc`. */
export function sourceFileName(path: string): string {
  return basename(path, extname(path))
}

/** The bytes that a text stands for, white space around it aside; `undefined` if it is not written so. */
export function decodeTextFile(bytes: Uint8Array, encoding: 'base64' | 'hex'): Uint8Array | undefined {
  const text = Buffer.from(bytes).toString('latin1').trim()
  const written = encoding === 'hex' ? /^(?:[\da-f]{2})+$/i : /^[\w+/-]+={0,2}$/
  return written.test(text) ? Buffer.from(text, encoding) : undefined
}

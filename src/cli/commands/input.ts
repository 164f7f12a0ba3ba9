import { access, constants, readFile } from 'node:fs/promises'
import { type Failure, refused } from '../failure'

/** @throws {Failure} */
export async function checkReadable(path: string): Promise<void> {
  await access(path, constants.R_OK).catch((error) => {
    throw unreadable(path, error)
  })
}

/** @throws {Failure} */
export async function readInput(path: string): Promise<Uint8Array> {
  return readFile(path).catch((error) => {
    throw unreadable(path, error)
  })
}

export async function readStream(stream: AsyncIterable<Uint8Array | string>): Promise<Uint8Array> {
  const parts: Uint8Array[] = []
  for await (const part of stream) parts.push(typeof part === 'string' ? Buffer.from(part) : part)
  return Buffer.concat(parts)
}

function unreadable(path: string, { code }: NodeJS.ErrnoException): Failure {
  return refused(`${path}: ${code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`}`)
}

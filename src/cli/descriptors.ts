import { readSync } from 'node:fs'
import { isatty } from 'node:tty'
import { refused, usage } from './failure'
import { type Signals, whileWaiting } from './signals'

const MOST_BYTES = 64 * 1024

/** All that a descriptor has. @throws {Failure} At a terminal, which would show what is typed. */
export async function readAll(signals: Pick<Signals, 'signal'>, fd: number, label: string): Promise<Uint8Array> {
  if (isatty(fd)) {
    throw usage(
      `${label}: expected a file or a pipe, got a terminal, which shows what is typed`,
      'leave it out, and be asked',
    )
  }
  return whileWaiting(signals, () => readToEnd(fd, label))
}

function readToEnd(fd: number, label: string): Uint8Array {
  const buffer = Buffer.alloc(MOST_BYTES + 1)
  let length = 0
  try {
    for (;;) {
      const read = readSome(fd, buffer, length)
      if (read === 0) break
      length += read
      if (length > MOST_BYTES) throw usage(`${label}: expected at most ${MOST_BYTES} bytes, got more`)
    }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw code === undefined ? error : refused(`${label}: it cannot be read (${code})`)
  }
  return Uint8Array.prototype.slice.call(buffer, 0, length)
}

/** A pipe that its writer has not filled yet may say so, and is asked again. */
function readSome(fd: number, buffer: Buffer, at: number): number {
  for (;;) {
    try {
      return readSync(fd, buffer, at, buffer.length - at, null)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 10)
    }
  }
}

/** What a key comes from, as far as that may be a descriptor. */
export interface KeySource {
  readonly passphraseFd?: number
  readonly keyFile?: string
}

/** Which descriptor a path names, if it names one. */
export function descriptorOf(path: string): number | undefined {
  const fd = /^\/(?:dev\/(?:(stdin)|fd\/(\d+))|proc\/self\/fd\/(\d+))$/.exec(path)
  if (fd === null) return undefined
  return fd[1] === 'stdin' ? 0 : Number(fd[2] ?? fd[3])
}

/** @throws {Failure} If the key comes from stdin, where something else is to come from. */
export function checkStdin(key: KeySource, what: string): void {
  const source = stdinOf(key)
  if (source === undefined) return
  const option = source === 'the key file' ? '--key-file /dev/fd/3' : '--passphrase-fd 3'
  throw usage(`stdin: expected ${source} or ${what}, got both`, `use ${option} 3<FILE`)
}

/** One descriptor holds one key. @throws {Failure} If the new one comes from where the one that opens the store does. */
export function checkDescriptors(key: KeySource, other: KeySource): void {
  if (stdinOf(other) !== undefined) checkStdin(key, 'the new key')
  const fd = sourceOf(key)
  if (fd === undefined || fd !== sourceOf(other)) return
  const option = key.passphraseFd === undefined ? '--key-file /dev/fd/3' : '--passphrase-fd 3'
  const newOption = other.passphraseFd === undefined ? '--new-key-file /dev/fd/4' : '--new-passphrase-fd 4'
  const label = other.passphraseFd === undefined ? 'key' : 'passphrase'
  throw usage(
    `${label}: expected two descriptors, got ${fd} for the old and for the new one`,
    `use ${option} 3<OLD ${newOption} 4<NEW`,
  )
}

function sourceOf({ passphraseFd, keyFile = '' }: KeySource): number | undefined {
  return passphraseFd ?? descriptorOf(keyFile)
}

function stdinOf(key: KeySource): 'the passphrase' | 'the key file' | undefined {
  if (sourceOf(key) !== 0) return undefined
  return key.passphraseFd === 0 ? 'the passphrase' : 'the key file'
}

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

interface KeySource {
  readonly passphraseFd?: number
  readonly keyFile?: string
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
  const { passphraseFd } = key
  if (passphraseFd === undefined || passphraseFd !== other.passphraseFd) return
  const hint = 'use --passphrase-fd 3 3<OLD --new-passphrase-fd 4 4<NEW'
  throw usage(`passphrase: expected two descriptors, got ${passphraseFd} for the old and for the new one`, hint)
}

function stdinOf({ passphraseFd, keyFile = '' }: KeySource): 'the passphrase' | 'the key file' | undefined {
  if (passphraseFd === 0) return 'the passphrase'
  return /^\/(?:dev\/(?:stdin|fd\/0)|proc\/self\/fd\/0)$/.test(keyFile) ? 'the key file' : undefined
}

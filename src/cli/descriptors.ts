import { readSync } from 'node:fs'
import { isatty } from 'node:tty'
import { refused, usage } from './failure'

const MOST_BYTES = 64 * 1024

/** All that a descriptor has. @throws {Failure} At a terminal, which would show what is typed. */
export function readAll(fd: number, label: string): Uint8Array {
  if (isatty(fd)) {
    throw usage(
      `${label}: expected a file or a pipe, got a terminal, which shows what is typed`,
      'leave it out, and be asked',
    )
  }
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

/** @throws {Failure} If the key comes from stdin, where something else is to come from. */
export function checkStdin(
  { passphraseFd, keyFile }: { readonly passphraseFd?: number; readonly keyFile?: string },
  what: string,
): void {
  const isKeyFile = keyFile !== undefined && /^\/(?:dev\/(?:stdin|fd\/0)|proc\/self\/fd\/0)$/.test(keyFile)
  if (passphraseFd !== 0 && !isKeyFile) return
  const [key, hint] = isKeyFile
    ? ['the key file', 'use --key-file /dev/fd/3 3<FILE']
    : ['the passphrase', 'use --passphrase-fd 3 3<FILE']
  throw usage(`stdin: expected ${key} or ${what}, got both`, hint)
}

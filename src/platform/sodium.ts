import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'
import { warn } from './warn'

/** Of `sodium-native`, what is used. Both write into the memory they are given. */
export interface Sodium {
  crypto_aead_xchacha20poly1305_ietf_encrypt(
    out: Uint8Array,
    plaintext: Uint8Array,
    context: Uint8Array,
    secretNonce: null,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
  /** @throws If the tag is wrong. */
  crypto_aead_xchacha20poly1305_ietf_decrypt(
    out: Uint8Array,
    secretNonce: null,
    sealed: Uint8Array,
    context: Uint8Array,
    nonce: Uint8Array,
    key: Uint8Array,
  ): void
}

const PACKAGE = 'sodium-native'
const MODULES = 'node_modules'

/**
 * The app's `sodium-native`, asked for in a way that no bundler sees. If it does not load there is a warning.
 *
 * @param here - A file of the app. @defaultValue this one
 */
export function loadSodium(here: string | undefined = thisFile()): Sodium | undefined {
  const path = here === undefined ? undefined : findSodium(here)
  if (path === undefined) return undefined
  try {
    return createRequire(path)(path) as Sodium
  } catch {
    warn(`${PACKAGE}: expected it to load, as it is installed, got an error; encryption goes on without it`)
    return undefined
  }
}

/**
 * Where the app that a file belongs to has it installed: not in a folder above or in NODE_PATH, as Node would look.
 *
 * @param here - A file of this library, or of a bundle that it is in.
 */
export function findSodium(here: string): string | undefined {
  const root = appOf(here)
  if (root === undefined) return undefined
  try {
    const found = createRequire(here).resolve(PACKAGE)
    return found.startsWith(join(root, MODULES) + sep) ? found : undefined
  } catch {
    return undefined
  }
}

/** The folder around the outermost `node_modules` that the file is in, or else the next one with a package.json. */
function appOf(here: string): string | undefined {
  const installed = here.indexOf(`${sep}${MODULES}${sep}`)
  if (installed >= 0) return here.slice(0, installed)
  for (let folder = dirname(here); ; folder = dirname(folder)) {
    if (existsSync(join(folder, 'package.json'))) return folder
    if (folder === dirname(folder)) return undefined
  }
}

/** `undefined` where a bundler has left nothing of it. */
function thisFile(): string | undefined {
  const url = import.meta.url as string | undefined
  if (url !== undefined) return url.startsWith('file:') ? fileURLToPath(url) : undefined
  return typeof __filename === 'string' ? __filename : undefined
}

import { existsSync, realpathSync } from 'node:fs'
// Not `createRequire` by its name: webpack would try to follow it.
import Module from 'node:module'
import { dirname, join, sep } from 'node:path'
import { fileURLToPath } from 'node:url'

const MODULES = 'node_modules'

/**
 * An optional package that the app has installed. Asked for in a way that no bundler sees, since it is not there for most.
 *
 * @param here - A file of the app. @defaultValue this one
 * @returns `undefined` if it is not installed.
 * @throws What it throws when it does not load.
 */
export function loadPeer(name: string, here: string | undefined = thisFile()): unknown {
  const path = here && findPeer(name, here)
  return path ? Module.createRequire(path)(path) : undefined
}

/**
 * Where the app that a file belongs to has a package installed. Node would go on looking in every folder above, and in
 * those of NODE_PATH; there, others may have put code of theirs.
 *
 * @param here - A file of this library, or of a bundle that it is in. @defaultValue this one
 */
export function findPeer(name: string, here: string | undefined = thisFile()): string | undefined {
  const root = here && appOf(here)
  if (!here || !root) return undefined
  try {
    const found = Module.createRequire(here).resolve(name)
    const modules = join(root, MODULES)
    // A link in there may lead elsewhere: it is the app's all the same.
    const isOwn = found.startsWith(modules + sep) || found.startsWith(realpathSync(join(modules, name)) + sep)
    return isOwn ? found : undefined
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
  // First, since `import.meta.url` in a bundle of webpack is a path of the machine that made it.
  if (typeof __filename === 'string') return __filename
  const url = import.meta.url as string | undefined
  return url?.startsWith('file:') ? fileURLToPath(url) : undefined
}

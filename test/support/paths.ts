import { fileURLToPath, pathToFileURL } from 'node:url'

const ROOT_URL: URL = new URL('../../', import.meta.url)

/** The path of a file of this checkout, such as `fromRoot('docs/format.md')`. Without a path, the checkout's own. */
export function fromRoot(path = ''): string {
  return fileURLToPath(new URL(path, ROOT_URL))
}

/** The same as a URL, for `import()`. */
export function urlFromRoot(path = ''): string {
  return pathToFileURL(fromRoot(path)).href
}

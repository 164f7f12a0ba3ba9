/**
 * What was caught, told by what it is and not by `instanceof`: a test runner gives each test file a realm of its own, in
 * which errors of the platform are no `Error` or `TypeError` of this one.
 */

/** Whether it is an error of any realm. */
export function isError(thrown: unknown): thrown is Error {
  return thrown instanceof Error || Object.prototype.toString.call(thrown) === '[object Error]'
}

/** The `code` of an error of the system or of a library, such as `ENOENT`; `undefined` of anything else. */
export function codeOf(thrown: unknown): string | undefined {
  const code = isError(thrown) && 'code' in thrown ? thrown.code : undefined
  return typeof code === 'string' ? code : undefined
}

/**
 * A store or a view, known by its verbs: its class is another one if the other copy of the library made it (one is for
 * `import`, one for `require`).
 *
 * @throws {TypeError} If it lacks one of the verbs.
 */
export function checkVerbs<T extends object>(store: unknown, verbs: readonly (keyof T & string)[]): T {
  const given = (store ?? {}) as Readonly<Record<string, unknown>>
  if (verbs.every((verb) => typeof given[verb] === 'function')) return store as T
  throw new TypeError('store: expected a SecretStore or a view of one, got something else')
}

/**
 * The API reference: `npm run docs` writes it to output/api. It fails where something exported lacks a description, and
 * where a link leads nowhere.
 *
 * @type {Partial<import('typedoc').TypeDocOptions>}
 */
export default {
  name: 'app-secret-store',
  entryPoints: [
    'src/index.ts',
    'src/stripe/index.ts',
    'src/electron/index.ts',
    'src/electron/preload.ts',
    'src/os-keyring/index.ts',
    'src/cache/index.ts',
    'src/migrate/index.ts',
  ],
  out: 'output/api',
  readme: 'none',
  // No repository to link the sources to.
  disableSources: true,
  excludeInternal: true,
  excludePrivate: true,
  requiredToBeDocumented: ['Variable', 'Function', 'Class', 'Interface', 'TypeAlias', 'Property', 'Method', 'Accessor'],
  // The fields of a scope, where one is written out: `Scope` describes them.
  intentionallyNotDocumented: [
    'index.account.__type.type',
    'index.user.__type.type',
    'index.user.__type.user',
    'index.Secret.scope.__type.type',
    'index.Secret.scope.__type.user',
    'index.DeletedSecret.scope.__type.type',
    'index.DeletedSecret.scope.__type.user',
  ],
  validation: { notExported: true, invalidLink: true, notDocumented: true },
  treatValidationWarningsAsErrors: true,
}

import { checkBoolean, checkFunction, optionsOf } from '../base/checks'
import { type LongOptions, parseLongOptions } from '../input/call-options'
import { parseTarget, type SetParams } from '../input/params'
import { account, type Scope } from '../model'
import { partsOf, type SecretView } from '../view'
import { type Aimed, aim, decide, isRefusal } from './plan'
import { type ImportedEntry, type ImportReport, reportOf } from './report'
import { checkSource, readSource, type SecretSource } from './source'

/** Options of `importFrom`. */
export interface ImportOptions extends LongOptions {
  /** Where to; an entry's own scope goes before it. @defaultValue the account scope */
  readonly scope?: Scope
  /** Gives a secret another name, or with `undefined` leaves it out. @defaultValue names stay */
  readonly rename?: (name: string) => string | undefined
  /** Only says what would be done. @defaultValue `false` */
  readonly dryRun?: boolean
  /**
   * Whether a secret of the same name and another payload is replaced, which then keeps its `expires_at` if the source
   * has none for it; otherwise it is left alone, and reported as a conflict. @defaultValue `false`
   */
  readonly replace?: boolean
}

const OPTIONS = ['scope', 'rename', 'dryRun', 'replace', 'onProgress', 'signal'] as const
/** Bounds of one durable write. */
const BATCH_ENTRIES = 100
const BATCH_UNITS: number = 4 * 1024 * 1024

/**
 * Sets what a source has. The source is read as a whole first, and never changed; then everything is written in
 * batches. After a stop at any point, another call does the rest.
 *
 * @param store - A store or a view of one. Nothing else should be writing the same names meanwhile.
 * @throws {TypeError} On bad options, before anything is touched.
 * @throws {SecretStoreError} `ERR_IO` if the source cannot be read, before anything is written; what the verbs of the
 *   store throw.
 * @throws What a source of one's own, `rename` or `onProgress` throws, or `signal` was aborted with.
 */
export async function importFrom(
  source: SecretSource,
  store: SecretView,
  options: ImportOptions = {},
): Promise<ImportReport> {
  const { limits, replace, dryRun, onProgress, signal, ...aims } = parseImport(store, options)
  const entries = await readSource(checkSource(source), signal)
  const aimed = aim(entries, { ...aims, limits: limits() })
  const done: ImportedEntry[] = []
  for (const batch of batchesOf(aimed)) {
    signal?.throwIfAborted()
    done.push(...(await importBatch(store, batch, { replace, dryRun })))
    onProgress?.({ done: done.length, total: aimed.length })
  }
  return reportOf(dryRun, done)
}

function parseImport(store: SecretView, options: ImportOptions) {
  const context = partsOf(store)?.context
  if (context === undefined) {
    throw new TypeError(
      'store: expected a SecretStore or a view, of this copy of the library (import both, or require both)',
    )
  }
  const { scope, rename, dryRun, replace, ...long } = optionsOf<ImportOptions>(options, 'importFrom', OPTIONS)
  return {
    ...parseLongOptions(long, 'importFrom'),
    // The name stands for any.
    scope: parseTarget({ scope: scope ?? account, name: 'any' }, 'importFrom').scope,
    rename: rename === undefined ? undefined : checkFunction(rename, 'rename'),
    dryRun: checkBoolean(dryRun ?? false, 'dryRun'),
    replace: checkBoolean(replace ?? false, 'replace'),
    limits: () => ({ nowSeconds: context.nowSeconds(), maxPayloadBytes: context.maxPayloadBytes }),
  }
}

/** In order, so many that neither their number nor their payloads are too much for one write. */
function* batchesOf(aimed: readonly Aimed[]): Generator<Aimed[]> {
  let batch: Aimed[] = []
  let units = 0
  for (const one of aimed) {
    const length = one.request?.payload.length ?? 0
    if (batch.length > 0 && (batch.length === BATCH_ENTRIES || units + length > BATCH_UNITS)) {
      yield batch
      batch = []
      units = 0
    }
    batch.push(one)
    units += length
  }
  if (batch.length > 0) yield batch
}

async function importBatch(
  store: SecretView,
  batch: readonly Aimed[],
  { replace, dryRun }: { readonly replace: boolean; readonly dryRun: boolean },
): Promise<ImportedEntry[]> {
  const entries: ImportedEntry[] = []
  const writes = new Map<number, SetParams>()
  for (const [index, one] of batch.entries()) {
    if (one.request === undefined) entries.push(one.entry)
    else {
      const { scope, name } = one.request
      const { write, ...decision } = await decide(store, one, replace)
      entries.push({ from: one.from, name, scope, ...decision })
      if (write !== undefined) writes.set(index, write)
    }
  }
  if (dryRun) return entries
  for (const [index, reason] of await writeAll(store, writes)) {
    entries[index] = { ...(entries[index] as ImportedEntry), outcome: 'failed', reason }
  }
  return entries
}

type Refusals = [index: number, reason: string][]

/** @returns What was refused after all, such as a secret that has expired meanwhile. The others are written. */
async function writeAll(store: SecretView, writes: ReadonlyMap<number, SetParams>): Promise<Refusals> {
  try {
    await store.batch(Array.from(writes.values(), (request) => ({ type: 'set', ...request })))
    return []
  } catch (error) {
    if (!isRefusal(error)) throw error
  }
  const refusals: Refusals = []
  for (const [index, request] of writes) {
    try {
      await store.set(request)
    } catch (error) {
      if (!isRefusal(error)) throw error
      refusals.push([index, error.message])
    }
  }
  return refusals
}

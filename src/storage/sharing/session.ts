import { ByteWriter } from '../../base/byte-codec'
import { concat, equal, keyAfter } from '../../base/bytes'
import { sha256 } from '../../crypto/derive'
import { systemRandom } from '../../crypto/random'
import { ROW, SESSION_BYTES } from '../../format/constants'
import { sinceBootMs } from '../../platform/since-boot'
import { addTo, type Change, type Engine, type Row } from '../engine'
import { HEAD_ROW } from '../keyspace'
import { SESSION_ROWS } from '../other-writers'

/**
 * For so long after a commit its writer may ask what became of it. The time since boot is one for all processes that can
 * share a store, goes on while the machine sleeps, and is set by nobody.
 */
const SESSION_MS = 120_000
/** The writer gives up asking well before. */
const SETTLE_MS: number = SESSION_MS / 2
/** Some runtimes tell whole seconds alone, up or down. */
const CLOCK_SLACK_MS = 2000

const TIME_BYTES = 8
const VALUE_BYTES = TIME_BYTES + 32
const PAGE_ROWS = 1000

/**
 * The session of a writer (Ongaro, "Consensus: Bridging Theory and Practice", 2014, §6.3): a row in each of its commits
 * that names the time and the head of that commit. Where the answer to a commit was lost, the row tells whether it took
 * effect, whoever has written since. Nobody else writes the row, so its bytes say it: no key is needed, which a rotation
 * could have removed meanwhile.
 */
export class Session {
  readonly key: Uint8Array = concat(Uint8Array.of(ROW.session), systemRandom(SESSION_BYTES))
  readonly #nowMs: () => number

  /** @param nowMs - Since the boot of the machine. */
  constructor(nowMs: () => number = sinceBootMs) {
    this.#nowMs = nowMs
  }

  /** @param head - The value of the head row. */
  row(head: Uint8Array): Row {
    return { key: this.key, value: encodeSession(this.#nowMs(), head) }
  }

  /** Whether the writer of the commit that put `row` may still ask what became of it: until then nobody deletes the row. */
  maySettle({ value }: Row): boolean {
    return this.#nowMs() - timeOf(value) < SETTLE_MS
  }
}

/** What the session row says of the commit that puts `row`. */
export function hasTakenEffect(row: Row, found: Uint8Array | undefined): boolean {
  return found !== undefined && equal(row.value, found)
}

/** The value of the session row of a commit. */
export function encodeSession(nowMs: number, head: Uint8Array): Uint8Array {
  return new ByteWriter(VALUE_BYTES).u64(nowMs).raw(sha256(head)).bytes().slice()
}

/** Whether it is the key of a session row. Nothing depends on the row once its writer has gone. */
export function isSession(key: Uint8Array): boolean {
  return key[0] === ROW.session && key.length === 1 + SESSION_BYTES
}

/** Deletes the sessions that nobody can ask for any more. Nobody else writes meanwhile. @throws As the engine's `write`. */
export async function deleteOldSessions(engine: Engine): Promise<void> {
  const nowMs = sinceBootMs()
  for (let { gte } = SESSION_ROWS; ; ) {
    const rows = await engine.scan({ ...SESSION_ROWS, gte, limit: PAGE_ROWS })
    const old = rows.filter(({ key, value }) => isSession(key) && !isRecent(value, nowMs))
    if (old.length > 0) {
      await writeBeforeHead(
        engine,
        old.map(({ key }) => ({ type: 'del', key })),
      )
    }
    const last = rows.at(-1)
    if (rows.length < PAGE_ROWS || last === undefined) return
    gte = keyAfter(last.key)
  }
}

/** The head, as it is, comes last, by which a recovery can tell that nothing later is lost. */
async function writeBeforeHead(engine: Engine, changes: readonly Change[]): Promise<void> {
  const head = await engine.get(HEAD_ROW)
  const batch = engine.batch()
  try {
    addTo(batch, changes)
    if (head !== undefined) batch.put(HEAD_ROW, head)
    await batch.write(head)
  } finally {
    await batch.close()
  }
}

/** One of another boot has a time to come, or a long past one, or stays for a while. */
function isRecent(value: Uint8Array, nowMs: number): boolean {
  const age = value.length === VALUE_BYTES ? nowMs - timeOf(value) : Number.NaN
  return age >= -CLOCK_SLACK_MS && age < SESSION_MS
}

function timeOf(value: Uint8Array): number {
  return Number(new DataView(value.buffer, value.byteOffset).getBigUint64(0))
}

import type { Address, Scope } from '../../model'

/** A secret that a recovery has something to say of. */
export interface RecoveredSecret {
  /** What is left of it: its place, where names are readable on disk or its record is. */
  readonly name?: string
  /** The scope, known where the name is. */
  readonly scope?: Scope
  /** A connected account. */
  readonly account?: string
  /** The mode, known where the name is. */
  readonly livemode?: boolean
  /** The secret's id, where its record or its id row is left. */
  readonly id?: string
  /** The row's key, in base64url. */
  readonly rowKey: string
}

/** One file of the damaged store, as far as it is not as it should be. */
export interface DamagedFile {
  /** Below the location. */
  readonly file: string
  /** Of the file; 0 if it is not there. */
  readonly bytes: number
  /** What in it could not be read as it was written. */
  readonly damagedBytes: number
}

/** What `recover` found, kept and lost. */
export interface RecoveryReport {
  /** Whether the new store is as the last head that was found says: nothing lost, nothing back, no older version. */
  readonly complete: boolean
  /**
   * Whether the head proves that the kept and the named secrets are all there were. If not, there may be older versions
   * and deleted secrets among the kept, and more that are lost.
   */
  readonly proven: boolean
  /** Whether LevelDB knew of later writes than any that was found: all of it is an older state. */
  readonly outdated: boolean
  /**
   * Whether keyring.json and the newest head are of different times. Then keys that were removed since may open the new
   * store, or the data is older than its keys: the report is neither complete nor proven.
   */
  readonly rolledBack: boolean
  /** The newest head that was found: which write it is of, and how many records there were then. */
  readonly head: {
    /** The number of the write that the head belongs to: 1 for the first. */
    readonly sequence: number
    /** How many records the store had after that write. */
    readonly records: number
  } | null
  /** How many secrets the new store has. */
  readonly kept: number
  /** How many were left out because it is known that they had been deleted. */
  readonly deleted: number
  /** Of which something is left, but nothing that opens. The first 1,000. */
  readonly lost: readonly RecoveredSecret[]
  /** Kept, though they may have been deleted. The first 1,000. */
  readonly resurrected: readonly RecoveredSecret[]
  /** Kept in a version that is not the last one. The first 1,000. */
  readonly older: readonly RecoveredSecret[]
  /** How many more secrets there were, at least, than are kept or named here, as far as a head says. */
  readonly missing: number
  /** How many more are kept, at least, than a head says there were, and not named as resurrected. */
  readonly surplus: number
  /** How many secrets belong to those lists besides, if there are. */
  readonly unlisted?: number
  /** What of the files was damaged. */
  readonly damage: readonly DamagedFile[]
}

export function describe(rowKey: string, address: Address | undefined, id: string | undefined): RecoveredSecret {
  return {
    ...(address && { name: address.name, scope: address.scope, livemode: address.partition.livemode }),
    ...(address?.partition.account !== undefined && { account: address.partition.account }),
    ...(id !== undefined && { id }),
    rowKey,
  }
}

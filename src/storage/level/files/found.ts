/** One write that was found in a file of LevelDB. */
export interface FoundRow {
  readonly key: Uint8Array
  /** `undefined`: a deletion. */
  readonly value: Uint8Array | undefined
  /** LevelDB's number of the write; `undefined` where it is not beyond doubt. */
  readonly sequence: number | undefined
  /** Whether the checksum around it is right. */
  readonly sound: boolean
  /** Whether its file is one that makes up the database, as MANIFEST has it; `undefined` if that cannot be read. */
  readonly live: boolean | undefined
  /** Its name. */
  readonly file: string
}

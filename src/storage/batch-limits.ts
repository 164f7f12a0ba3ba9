/** How much one commit should hold. Operations are grouped up to these limits; a single operation is never split. */
export interface BatchLimits {
  /** Rows that are put or deleted. */
  readonly rows: number
  /** Of keys and values. */
  readonly bytes: number
}

/** Of an engine on this machine: large enough for a thousand waiting writes, small enough to keep none of them waiting. */
export const LOCAL_LIMITS: BatchLimits = { rows: 7000, bytes: 4 * 1024 * 1024 }

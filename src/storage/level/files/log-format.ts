/** How logs, and MANIFEST files, are divided (LevelDB, doc/log_format.md). */

/** Every block but the last has this length. What does not fit goes on at the very beginning of the next one. */
export const BLOCK_BYTES = 32_768
/** Checksum, length, type. */
export const HEADER_BYTES = 7
export const TYPE = { full: 1, first: 2, middle: 3, last: 4 } as const

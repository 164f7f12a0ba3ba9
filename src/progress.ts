/** How far something long has come. */
export interface Progress {
  /** Records seen to. */
  readonly done: number
  /** Of about so many; others may come and go meanwhile. */
  readonly total: number
}

import type { Scope } from '../../src/index'

/** test/fixtures/make-golden.ts wrote these. */
export interface Expected {
  readonly names: 'plain' | 'sealed'
  readonly sequence: number
  readonly checkpoint: string
  /** In a store of version 3: a checkpoint under a former root key. */
  readonly earlier?: string
  /** In a store of version 3: a checkpoint of version 1, of the same state as `earlier`. */
  readonly former?: string
  readonly secrets: readonly ExpectedSecret[]
}

export interface ExpectedSecret {
  readonly account: string | null
  readonly livemode: boolean
  readonly scope: Scope
  readonly name: string
  readonly id: string
  readonly created: number
  readonly expires_at: number | null
  readonly type: 'text' | 'bytes'
  /** Base64. */
  readonly payload: string
}

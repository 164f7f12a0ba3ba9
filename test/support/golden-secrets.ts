import type { Scope } from '../../src/index'

/** test/fixtures/make-golden.ts wrote these. */
export interface Expected {
  readonly names: 'plain' | 'sealed'
  readonly sequence: number
  readonly checkpoint: string
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

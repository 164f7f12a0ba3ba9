/** Names the file to which each test adds how it ended. Relative, so that it means the same under Wine. */
export const OUTCOMES_VARIABLE = 'SECRET_STORE_TEST_OUTCOMES'

/** `defined` comes first for each; a test without another line after it did not end. */
export type Outcome = 'defined' | 'passed' | 'failed' | 'fails as listed' | 'left out'

export interface OutcomeLine {
  readonly file: string
  /** With the groups around it, as vitest names it. */
  readonly test: string
  readonly outcome: Outcome
  /** Of a failure, the error; of what is listed, the reason. */
  readonly detail?: string
}

import { checkBoolean, checkFunction, checkInteger, optionsOf } from '../base/checks'
import type { ApiErrorBody } from './api-error'

/** What is to go wrong with requests, for a test. */
export interface Fault {
  /** Answers with an error of this status, 400 to 599. */
  readonly status?: number
  /** Ends the connection without an answer. */
  readonly drop?: boolean
  /** Waits so long before the request is looked at, in milliseconds. Alone, it is answered properly then. */
  readonly delayMs?: number
  /** Whether the request takes effect all the same, and only its answer is lost. @defaultValue `false` */
  readonly afterEffect?: boolean
  /** How many requests it befalls. @defaultValue `1` */
  readonly times?: number
  /** Which requests it befalls. @defaultValue all */
  readonly when?: (request: { readonly method: string; readonly path: string }) => boolean
}

export type PlannedFault = Required<Omit<Fault, 'status' | 'times'>> & Pick<Fault, 'status'>

const OPTIONS = ['status', 'drop', 'delayMs', 'afterEffect', 'times', 'when'] as const
const LONGEST_DELAY_MS: number = 2 ** 31 - 1

/** Faults in the order in which they were asked for, each as often as it was. */
export class FaultQueue {
  readonly #waiting: { readonly fault: PlannedFault; times: number }[] = []

  /** @throws {TypeError | RangeError} If it is no fault. */
  add(given: Fault): void {
    const { status, times = 1, ...rest } = optionsOf<Fault>(given, 'failNext', OPTIONS)
    const { drop = false, delayMs = 0, afterEffect = false, when = () => true } = rest
    if (status !== undefined) checkInteger(status, 'status', 400, 599)
    if (status !== undefined && drop) throw new TypeError('failNext: expected a status or drop, got both')
    if (status === undefined && !drop && delayMs === 0) {
      throw new TypeError('failNext: expected a status, drop or delayMs, got none')
    }
    const fault = {
      drop: checkBoolean(drop, 'drop'),
      delayMs: checkInteger(delayMs, 'delayMs', 0, LONGEST_DELAY_MS),
      afterEffect: checkBoolean(afterEffect, 'afterEffect'),
      when: checkFunction(when, 'when'),
      ...(status !== undefined && { status }),
    }
    this.#waiting.push({ fault, times: checkInteger(times, 'times', 1, Number.MAX_SAFE_INTEGER) })
  }

  /** The first that befalls this request; it has then befallen one more. */
  take(request: { readonly method: string; readonly path: string }): PlannedFault | undefined {
    const index = this.#waiting.findIndex(({ fault }) => fault.when(request))
    const next = this.#waiting[index]
    if (next === undefined) return undefined
    next.times--
    if (next.times === 0) this.#waiting.splice(index, 1)
    return next.fault
  }
}

/** What the hosted service says with a status. */
export function faultBody(status: number): { readonly error: ApiErrorBody } {
  const message = `Injected fault: status ${status}.`
  if (status === 429) return { error: { code: 'rate_limit', message, type: 'invalid_request_error' } }
  const isApiError = status >= 500 || status === 409 || status === 413
  return { error: { message, type: isApiError ? 'api_error' : 'invalid_request_error' } }
}

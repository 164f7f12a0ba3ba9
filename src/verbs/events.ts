import { checkFunction } from '../base/checks'
import type { StoreContext } from '../context'
import type { ChangeEvent } from '../model'
import type { Reach } from './reach'

/** Tells of every change within a reach, in the order of the writes. @returns Ends it. */
export function hearChanges(
  context: StoreContext,
  reach: Reach,
  listener: (change: ChangeEvent) => unknown,
): () => void {
  checkFunction(listener, 'listener')
  context.checkOpen()
  let listening = true
  const stop = context.queue.onChange((changes) => {
    for (const { type, record } of changes) {
      if (!listening || !reach.includes(record.address)) continue
      const { scope, name } = record.address
      const change = Object.freeze({ type, id: record.id, name, scope: Object.freeze({ ...scope }) })
      call(listener, change).catch((error) => context.report(error))
    }
  })
  return () => {
    listening = false
    stop()
  }
}

/** Tells where changes may be missing. @returns Ends it. */
export function hearGaps(context: StoreContext, listener: () => unknown): () => void {
  checkFunction(listener, 'listener')
  context.checkOpen()
  return context.queue.listen((replacements) => {
    if (replacements === undefined) call(listener, undefined).catch((error) => context.report(error))
  })
}

/** Calls it at once, whichever way it fails. */
async function call<T>(listener: (value: T) => unknown, value: T): Promise<void> {
  await listener(value)
}

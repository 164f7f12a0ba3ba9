import { isError } from '../../base/thrown'

/** Node has it, and every page that Electron shows. */
declare const structuredClone: (value: unknown) => unknown

/**
 * Why a call did not come back with an answer, in words of our own: Electron's name its channels. Free of Node, as
 * everything of the preload script.
 *
 * @param error - What `ipcRenderer.invoke` threw.
 */
export function failedCall(error: unknown, call: string, params: unknown): Error {
  const message = isError(error) ? error.message : String(error)
  const uncloned = message.includes('could not be cloned') ? unclonedArgument(call, params) : undefined
  if (uncloned !== undefined) return new Error(`TypeError: ${uncloned}`)
  if (/No handler registered|reply was never sent/.test(message)) {
    const expected = 'exposeSecrets of the main process to answer'
    return new Error(`ERR_CLOSED: secrets: expected ${expected}, got nobody (it was not called yet, or has ended)`)
  }
  return new Error(`Error: secrets: expected an answer, got an error`)
}

/** The first field that cannot be sent, or the parameters as a whole. */
function unclonedArgument(call: string, params: unknown): string | undefined {
  const fields = typeof params === 'object' && params !== null ? Object.entries(params) : []
  for (const [label, value] of [...fields, [`${call} parameters`, params] as const]) {
    const culprit = findUncloned(value)
    if (culprit !== undefined)
      return `${label.slice(0, 100)}: expected what can be sent to another process, got ${culprit}`
  }
  return undefined
}

function findUncloned(value: unknown): string | undefined {
  try {
    structuredClone(value)
    return undefined
  } catch {
    if (value instanceof Promise) return 'a promise'
    return typeof value === 'object' ? 'an object that holds something else' : `a ${typeof value}`
  }
}

/** Globals of Node that a context of jest with jsdom lacks. The build takes them from here (tsup.config.ts). */

export { setImmediate } from 'node:timers'
export { TextDecoder, TextEncoder } from 'node:util'

/**
 * Globals of Node that a context of jest with jsdom lacks. The build takes them from here (tsup.config.ts). Node's modules
 * are asked only there: an import would come along into a sandboxed preload script, which has none.
 */

const encoder: typeof TextEncoder =
  typeof TextEncoder === 'function' ? TextEncoder : process.getBuiltinModule('node:util').TextEncoder
const decoder: typeof TextDecoder =
  typeof TextDecoder === 'function' ? TextDecoder : process.getBuiltinModule('node:util').TextDecoder
const immediate: typeof setImmediate =
  typeof setImmediate === 'function' ? setImmediate : process.getBuiltinModule('node:timers').setImmediate

export { decoder as TextDecoder, encoder as TextEncoder, immediate as setImmediate }

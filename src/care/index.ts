/**
 * What is loaded when it is first called: all that is not needed to open a store and to use what is in it. Nothing imports
 * this file, or what it exports, in any other way than by `import()`.
 */
export { backup } from './backup/backup'
export { restore } from './backup/restore'
export { createStore } from './create'
export { recover } from './recovery/recover'
export { makeNewest } from './rekey/change'
export { rotate } from './rekey/rotate'
export { addSlot, removeSlot, renewSlots, replaceSlot } from './rekey/slots'
export { status } from './status'
export { expectWhole, verify } from './verify/verify'

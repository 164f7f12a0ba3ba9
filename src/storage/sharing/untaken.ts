import type { Connection } from './connection'

/** How much of some messages over a connection the other end has not taken. Others go over it as well, and do not count. */
export class Untaken {
  /** Of each that was not taken when that was last looked at: where it ends in all that was sent, and how long it is. */
  #messages: { readonly end: number; readonly length: number }[] = []
  #bytes = 0

  /** To be called once the message is sent. */
  add({ sentBytes }: Connection, length: number): void {
    this.#messages.push({ end: sentBytes, length })
    this.#bytes += length
  }

  bytes({ sentBytes, waitingBytes }: Connection): number {
    const taken = sentBytes - waitingBytes
    const left = this.#messages.findIndex(({ end }) => end > taken)
    for (const { length } of this.#messages.splice(0, left < 0 ? this.#messages.length : left)) this.#bytes -= length
    return this.#bytes
  }
}

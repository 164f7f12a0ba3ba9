/** Where a backup goes, whatever it is. */
export interface Sink {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>
  /** Everything has arrived when it resolves. */
  close(): Promise<void>
  /** What was written is not whole and must not be taken for a backup. Whatever is being waited for is given up. */
  abort(reason: unknown): Promise<void>
}

/** What is needed of a `Writable` of Node. */
export interface NodeWritable {
  /** Takes bytes. Calls back when it has room for more, or with what went wrong. */
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean
  /** Ends the stream. Calls back when every byte has been taken. */
  end(callback: (error?: Error | null) => void): unknown
  /** Gives the stream up, unfinished. */
  destroy(error?: Error): unknown
  /** Listens for a failure, or for an end before all bytes were taken. */
  on(event: 'error' | 'close', listener: (error: Error) => void): unknown
}

export function sinkOf(writable: WritableStream<Uint8Array> | NodeWritable): Sink {
  const wait = new Wait()
  return 'getWriter' in writable ? webSink(writable, wait) : nodeSink(writable, wait)
}

function webSink(stream: WritableStream<Uint8Array>, wait: Wait): Sink {
  const writer = stream.getWriter()
  writer.closed.catch((error) => wait.giveUp(error))
  return {
    async write(bytes) {
      await wait.for(writer.ready)
      await wait.for(writer.write(bytes))
    },
    close: () => wait.for(writer.close()),
    async abort(reason) {
      wait.giveUp(reason)
      // It may wait for a write that never ends.
      writer.abort(reason).catch(() => {})
    },
  }
}

function nodeSink(stream: NodeWritable, wait: Wait): Sink {
  // Without a listener an error would end the process; with it, it ends the backup.
  stream.on('error', (error) => wait.giveUp(error))
  let finished = false
  stream.on('close', () => {
    if (!finished) wait.giveUp(new Error('stream: expected it to take the whole backup, got its end'))
  })
  const done = (start: (callback: (error?: Error | null) => void) => unknown): Promise<void> =>
    wait.for(new Promise<void>((resolve, reject) => start((error) => (error ? reject(error) : resolve()))))
  return {
    write: (bytes) => done((callback) => stream.write(bytes, callback)),
    close: () =>
      done((callback) =>
        stream.end((error?: Error | null) => {
          finished = true
          callback(error)
        }),
      ),
    async abort(reason) {
      wait.giveUp(reason)
      stream.destroy(reason instanceof Error ? reason : undefined)
    },
  }
}

/** One thing is waited for at a time, until it is there or all waiting is given up. */
class Wait {
  #failure: { readonly reason: unknown } | undefined
  #reject: (reason: unknown) => void = () => {}

  for(work: Promise<unknown>): Promise<void> {
    return new Promise((resolve, reject) => {
      this.#reject = reject
      work.then(() => resolve(), reject)
      if (this.#failure !== undefined) reject(this.#failure.reason)
    })
  }

  giveUp(reason: unknown): void {
    this.#failure ??= { reason }
    this.#reject(reason)
  }
}

/** Where a backup goes, whatever it is. */
export interface Sink {
  /** Resolves when there is room for more. */
  write(bytes: Uint8Array): Promise<void>
  /** Everything has arrived when it resolves. */
  close(): Promise<void>
  /** What was written is not whole and must not be taken for a backup. */
  abort(reason: unknown): Promise<void>
}

/** What is needed of a `Writable` of Node. */
export interface NodeWritable {
  write(chunk: Uint8Array, callback: (error?: Error | null) => void): boolean
  end(callback: () => void): unknown
  destroy(error?: Error): unknown
  on(event: 'error', listener: (error: Error) => void): unknown
}

export function sinkOf(writable: WritableStream<Uint8Array> | NodeWritable): Sink {
  return 'getWriter' in writable ? webSink(writable) : nodeSink(writable)
}

function webSink(stream: WritableStream<Uint8Array>): Sink {
  const writer = stream.getWriter()
  // It rejects as soon as the stream fails; whoever writes next is told.
  writer.closed.catch(() => {})
  return {
    async write(bytes) {
      await writer.ready
      await writer.write(bytes)
    },
    close: () => writer.close(),
    abort: (reason) => writer.abort(reason),
  }
}

function nodeSink(stream: NodeWritable): Sink {
  let failure: Error | undefined
  let fail: (error: Error) => void = () => {}
  // Without a listener an error would end the process; with it, it ends the backup.
  stream.on('error', (error) => {
    failure ??= error
    fail(failure)
  })
  const settle = (start: (done: (error?: Error | null) => void) => unknown): Promise<void> =>
    new Promise((resolve, reject) => {
      if (failure !== undefined) return reject(failure)
      fail = reject
      start((error) => (error ? reject(error) : resolve()))
    })
  return {
    write: (bytes) => settle((done) => stream.write(bytes, done)),
    close: () => settle((done) => stream.end(done)),
    async abort(reason) {
      stream.destroy(reason instanceof Error ? reason : undefined)
    },
  }
}

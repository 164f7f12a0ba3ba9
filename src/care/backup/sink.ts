import { isError } from '../../base/thrown'
import { orAborted } from '../../base/waiting'

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
  return 'getWriter' in writable ? webSink(writable) : nodeSink(writable)
}

function webSink(stream: WritableStream<Uint8Array>): Sink {
  const ended = new AbortController()
  const writer = stream.getWriter()
  writer.closed.catch((error) => ended.abort(error))
  return {
    async write(bytes) {
      await orAborted(ended.signal, writer.ready)
      await orAborted(ended.signal, writer.write(bytes))
    },
    close: () => orAborted(ended.signal, writer.close()),
    async abort(reason) {
      ended.abort(reason)
      // It may wait for a write that never ends.
      writer.abort(reason).catch(() => {})
    },
  }
}

function nodeSink(stream: NodeWritable): Sink {
  const ended = new AbortController()
  // Without a listener an error would end the process; with it, it ends the backup.
  stream.on('error', (error) => ended.abort(error))
  let finished = false
  stream.on('close', () => {
    if (!finished) ended.abort(new Error('stream: expected it to take the whole backup, got its end'))
  })
  const done = (start: (callback: (error?: Error | null) => void) => unknown): Promise<void> => {
    const work = new Promise<void>((resolve, reject) => start((error) => (error ? reject(error) : resolve())))
    return orAborted(ended.signal, work)
  }
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
      ended.abort(reason)
      stream.destroy(isError(reason) ? reason : undefined)
    },
  }
}

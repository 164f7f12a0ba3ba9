import type { ChildProcess } from 'node:child_process'

/** A child that runs and may not be sent a signal has an error, too: it goes on, and its end is waited for. */
export function onFailedStart(child: ChildProcess, failed: (error: NodeJS.ErrnoException) => void): void {
  child.on('error', (error) => {
    if (child.pid === undefined) failed(error)
  })
}

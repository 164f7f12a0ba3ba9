import { uptime } from 'node:os'

/** Milliseconds since the machine has started, to about a hundredth of a second: alike in all its processes and runtimes. */
export function sinceBootMs(): number {
  return Math.floor(uptime() * 1000)
}

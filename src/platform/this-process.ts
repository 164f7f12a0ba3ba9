import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Which process this is, on which machine: two that have the same `machine` can meet. */
export interface ProcessIdentity {
  readonly pid: number
  /**
   * The boot of the kernel, or where the system does not name one (not Linux) the host, and on Linux the PID namespace. A
   * host's name alone can change while processes run, and two machines can have one.
   */
  readonly machine: string
}

export function thisProcess(): ProcessIdentity {
  const boot = orNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim())
  const namespace = orNothing(() => readlinkSync('/proc/self/ns/pid'))
  return { pid: process.pid, machine: `${boot || hostname()} ${namespace}`.trim() }
}

function orNothing(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

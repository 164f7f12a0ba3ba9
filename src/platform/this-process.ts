import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'

/** Which process this is, on which machine: two that have the same `machine` can meet. */
export interface ProcessIdentity {
  readonly pid: number
  /** Host, boot and PID namespace, as far as the system names them. */
  readonly machine: string
}

export function thisProcess(): ProcessIdentity {
  const boot = orNothing(() => readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim())
  const namespace = orNothing(() => readlinkSync('/proc/self/ns/pid'))
  return { pid: process.pid, machine: `${hostname()} ${boot} ${namespace}`.trim() }
}

function orNothing(read: () => string): string {
  try {
    return read()
  } catch {
    return ''
  }
}

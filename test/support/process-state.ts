import { spawnSync } from 'node:child_process'

/** The first letter of what `ps` says of a process: `T` if it is stopped. Empty if there is none. */
export function processState(pid: number): string {
  const [state = ''] = spawnSync('ps', ['-o', 'state=', '-p', String(pid)])
    .stdout.toString()
    .trim()
  return state
}

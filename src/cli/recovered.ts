import type { RecoveryReport } from 'app-secret-store'
import { count, printable } from './printable'

/** What a recovery has come to, for people: a line for each secret that is not as it was, then the whole. */
export function recoveredText(report: RecoveryReport, destination: string): string {
  const { lost, resurrected, older, missing, surplus, unlisted = 0 } = report
  const named = [
    ['lost', lost],
    ['may have been deleted', resurrected],
    ['may be an older version', older],
  ] as const
  const lines = named.flatMap(([what, secrets]) =>
    secrets.map(({ name, rowKey }) => `${what}: ${printable(name ?? `the row ${rowKey}`)}`),
  )
  if (unlisted > 0) lines.push(`and ${unlisted} more of these`)
  if (missing > 0) lines.push(`${count(missing, 'more secret')} lost at least, of unknown name`)
  if (surplus > 0) lines.push(`${count(surplus, 'more secret')} kept at least that had been deleted, of unknown name`)
  if (report.outdated) lines.push('all of it is an older state: the last writes are lost')
  if (!report.proven) lines.push('what is kept cannot be proven: there may be older versions among it')
  const whole = report.complete ? 'complete, as of the last write that was found' : 'INCOMPLETE'
  lines.push(`recovered: ${count(report.kept, 'record')}, at ${printable(destination)}; ${whole}`)
  return `${lines.join('\n')}\n`
}

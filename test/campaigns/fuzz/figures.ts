import { conclude } from '../../support/campaign'
import type { Figures } from './fuzz'

/** Prints what came of a run, and keeps it. */
export function tell(name: string, { inputs, accepted, refused, kept, slowestMs, slowestBytes }: Figures): void {
  conclude(`fuzz-${name.replaceAll(/[^\w.]+/g, '-')}`, {
    inputs,
    accepted,
    refused,
    'kept for what they reached': kept,
    'ms the slowest took': slowestMs,
    'bytes of the slowest': slowestBytes,
    'MiB of heap at the end': Math.round(process.memoryUsage().heapUsed / 2 ** 20),
  })
}

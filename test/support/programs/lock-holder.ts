/** Holds the lock of the machine that it is told of until it is killed. */
import { aloneOnMachine } from '../../../src/platform/machine-lock'

await aloneOnMachine(process.argv[2] ?? '', new AbortController().signal, () => {
  process.send?.('held')
  return new Promise(() => setInterval(() => {}, 60_000))
})

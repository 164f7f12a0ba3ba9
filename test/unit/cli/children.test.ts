import { constants } from 'node:os'
import { PassThrough } from 'node:stream'
import { expect, test } from 'vitest'
import { runBeside } from '../../../src/cli/children'
import type { Io } from '../../../src/cli/io'
import { noSignals } from '../../support/no-signals'

test.skipIf(process.platform === 'win32')(
  'a program that may be sent no signal is waited for to its own end',
  async () => {
    let send = (_: NodeJS.Signals): void => {}
    const io: Io = {
      stdin: new PassThrough(),
      stdout: new PassThrough(),
      stderr: new PassThrough(),
      env: {},
      now: () => Date.now(),
      terminal: () => undefined,
      ...noSignals(),
      takeSignals(listener) {
        send = listener
        return () => {}
      },
    }
    const refused: number[] = []
    const program = ['-e', "process.stdin.once('data', () => process.exit(3))"]
    const ended = await runBeside(
      io,
      process.execPath,
      program,
      { env: {}, stdio: ['pipe', 'ignore', 'ignore'] },
      (child) => {
        const { _handle } = child as unknown as { _handle: { kill: (signal: number) => number } }
        _handle.kill = (signal) => {
          refused.push(signal)
          return -constants.errno.EPERM
        }
        send('SIGTERM')
        send('SIGHUP')
        child.stdin?.write('end')
      },
    )
    expect(refused).toEqual([15, 1])
    expect(ended.code).toBe(3)
    expect(ended.interrupted?.exitCode).toBe(143)
  },
)

import { spawnSync } from 'node:child_process'
import { readFileSync, readlinkSync } from 'node:fs'
import { hostname } from 'node:os'
import { expect, test } from 'vitest'
import { thisProcess } from '../../../src/platform/this-process'

test.runIf(process.platform === 'linux')('on Linux a machine is a boot and a PID namespace', () => {
  const { pid, machine } = thisProcess()
  const boot = readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim()
  expect([pid, machine]).toEqual([process.pid, `${boot} ${readlinkSync('/proc/self/ns/pid')}`])
})

test.runIf(process.platform !== 'linux')('elsewhere it is the host', () => {
  expect(thisProcess()).toEqual({ pid: process.pid, machine: hostname() })
})

const canUnshare = process.platform === 'linux' && spawnSync('unshare', ['--pid', '--fork', 'true']).status === 0
if (!canUnshare) console.warn('skipped: another PID namespace (needs unshare)')

test.runIf(canUnshare)('a process of another PID namespace is of another machine', () => {
  const { stdout } = spawnSync('unshare', ['--pid', '--fork', 'readlink', '/proc/self/ns/pid_for_children'])
  const [, namespace] = thisProcess().machine.split(' ')
  expect(`${stdout}`.trim()).toMatch(/^pid:\[\d+\]$/)
  expect(`${stdout}`.trim()).not.toBe(namespace)
})

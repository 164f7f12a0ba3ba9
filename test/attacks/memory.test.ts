import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startChild } from '../support/programs'
import { newLocation } from '../support/stores'

const OPENINGS = 60
const isLinux = process.platform === 'linux'
if (!isLinux) console.warn('skipped: keys in the memory of a process (needs /proc)')

async function copiesAfter(openings: number): Promise<Record<string, number>> {
  const child = startChild('key-copies', [await newLocation(), String(openings)], { nodeArgs: ['--expose-gc'] })
  const [copies] = await once(child, 'message')
  return copies
}

test.skipIf(!isLinux)('copies of keys in memory do not grow with the openings of a store', async () => {
  const copies = await copiesAfter(OPENINGS)
  expect(Object.keys(copies)).toEqual(['root', 'data', 'master', 'slot'])
  // A few may be in memory that was not given back yet: one to each opening would be four times as many.
  for (const [name, count] of Object.entries(copies)) expect(count, name).toBeLessThan(OPENINGS / 4)
})

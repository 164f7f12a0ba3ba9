import { once } from 'node:events'
import { expect, test } from 'vitest'
import { startChild } from '../support/programs'
import { newLocation } from '../support/stores'

const isLinux = process.platform === 'linux'
if (!isLinux) console.warn('skipped: keys in the memory of a process (needs /proc)')

async function copiesAfter(openings: number): Promise<Record<string, number>> {
  const child = startChild('key-copies', [await newLocation(), String(openings)], { nodeArgs: ['--expose-gc'] })
  const [copies] = await once(child, 'message')
  return copies
}

test.skipIf(!isLinux)('copies of keys in memory do not grow with the openings of a store', async () => {
  const copies = await copiesAfter(60)
  expect(Object.keys(copies)).toEqual(['root', 'data', 'master', 'slot'])
  // One an opening would be 60.
  for (const [name, count] of Object.entries(copies)) expect(count, name).toBeLessThan(4)
})

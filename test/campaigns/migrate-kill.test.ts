import { once } from 'node:events'
import { expect, test } from 'vitest'
import { importFrom } from '../../src/migrate'
import { startChild } from '../support/programs'
import { manySecrets } from '../support/sources'
import { newLocation, openStore } from '../support/stores'

test.each([1, 2, 3])('an import that is killed behind batch %i is completed by the next', async (batches) => {
  const location = await newLocation()
  const child = startChild('importer', [location])
  const ended = once(child, 'exit')
  let told = ''
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    told += text
    if (told.includes(`${batches * 100}\n`)) child.kill('SIGKILL')
  })
  expect((await ended)[1]).toBe('SIGKILL')
  const store = await openStore(location)
  expect((await store.verify()).ok).toBe(true)
  const report = await importFrom(manySecrets(), store)
  // What was told of is there; the batch that was under way is there as a whole, or not at all.
  expect(report.unchanged).toBeGreaterThanOrEqual(batches * 100)
  expect(report.unchanged % 100).toBe(0)
  expect(report).toMatchObject({ created: 800 - report.unchanged, conflicts: 0, failed: 0 })
  expect(await importFrom(manySecrets(), store)).toMatchObject({ unchanged: 800, created: 0 })
})

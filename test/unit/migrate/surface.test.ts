import { expect, test } from 'vitest'
import * as surface from '../../../src/migrate'

test('app-secret-store/migrate exports these and no others', () => {
  expect(Object.keys(surface).sort()).toEqual([
    'decodeDotenv',
    'dotenv',
    'electronStore',
    'encodeDotenv',
    'importFrom',
    'inspectDotenv',
    'keytar',
    'safeStorageFiles',
  ])
})

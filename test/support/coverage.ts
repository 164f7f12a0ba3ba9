import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { mergeProcessCovs, type ProcessCov } from '@bcoe/v8-coverage'
import inside from '@vitest/coverage-v8'
import { V8CoverageProvider } from '@vitest/coverage-v8/dist/provider.js'
import type { CoverageProviderModule } from 'vitest/node'
import { coverageFolder, PROGRAMS_VARIABLE } from './build-programs'

/**
 * A provider of vitest that counts what tests run in processes of their own, too: the built programs, which write what
 * they ran when they exit (`NODE_V8_COVERAGE`). What a kill ends, and what becomes another program, is not counted.
 */
const module: CoverageProviderModule = { ...inside, getProvider: async () => new CoverageOfProcesses() }
export default module

type Generate = V8CoverageProvider['generateCoverage']

class CoverageOfProcesses extends V8CoverageProvider {
  override async generateCoverage(context: Parameters<Generate>[0]): ReturnType<Generate> {
    const map = await super.generateCoverage(context)
    const programs = process.env[PROGRAMS_VARIABLE]
    if (programs === undefined) throw new Error(`${PROGRAMS_VARIABLE}: expected the built programs, got none`)
    const { result } = await coverageOfPrograms(programs)
    for (const { url, functions } of result) {
      const code = await readFile(fileURLToPath(url), 'utf8')
      const sourceMap = JSON.parse(await readFile(`${fileURLToPath(url)}.map`, 'utf8'))
      sourceMap.sources = sourceMap.sources.map((source: string) => new URL(source, url).href)
      // Private to the provider in its types alone.
      const { remapCoverage } = this as unknown as { remapCoverage: (...args: unknown[]) => Promise<never> }
      const ofProgram = await remapCoverage.call(this, url, 0, { code, map: sourceMap }, functions)
      map.merge(ofProgram)
    }
    map.filter((path: string) => this.isIncluded(path))
    return map
  }
}

async function coverageOfPrograms(programs: string): Promise<ProcessCov> {
  const folder = coverageFolder(programs)
  const ourUrl = `${pathToFileURL(programs)}/`
  let merged: ProcessCov = { result: [] }
  let processes = 0
  for (const name of await readdir(folder)) {
    const text = await readFile(join(folder, name), 'utf8')
    // Of a process that was killed while it wrote.
    if (!text.endsWith('}')) continue
    const { result } = JSON.parse(text) as ProcessCov
    const ours = result.filter(({ url }) => url.startsWith(ourUrl))
    if (ours.length === 0) continue
    merged = mergeProcessCovs([merged, { result: ours }])
    processes++
  }
  console.info(`coverage: ${processes} processes beside those of vitest`)
  return merged
}

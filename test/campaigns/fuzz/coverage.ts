import { type Profiler, Session } from 'node:inspector'

/** Which code of the library has been reached, block by block, as V8 counts it. */
export class Coverage {
  readonly #session = new Session()
  /** By script: for each character of it, whether it was ever run. */
  readonly #reached = new Map<string, Uint8Array>()

  #isStopped = false

  constructor() {
    this.#session.connect()
    this.#post('Profiler.enable')
    this.#post('Profiler.startPreciseCoverage', { callCount: true, detailed: true })
  }

  /** Where, since the last look, something was run that never was before. */
  news(): Set<string> {
    const places = new Set<string>()
    for (const [scriptId, run] of this.#look()) {
      const known = this.#reached.get(scriptId) ?? new Uint8Array(run.length)
      this.#reached.set(scriptId, known)
      for (let at = 0, isInside = false; at < run.length; at++) {
        const isNew = run[at] === 1 && known[at] === 0
        if (isNew && !isInside) places.add(`${scriptId}:${at}`)
        if (isNew) known[at] = 1
        isInside = isNew
      }
    }
    return places
  }

  /** Which of these places were reached since the last look. */
  reached(places: ReadonlySet<string>): string[] {
    const looked = this.#look()
    return [...places].filter((place) => {
      const [scriptId, at] = place.split(':') as [string, string]
      return looked.get(scriptId)?.[Number(at)] === 1
    })
  }

  /** Everything runs at its usual speed again. */
  stop(): void {
    if (this.#isStopped) return
    this.#isStopped = true
    this.#post('Profiler.stopPreciseCoverage')
    this.#session.disconnect()
  }

  #look(): ReadonlyMap<string, Uint8Array> {
    const { result } = this.#post('Profiler.takePreciseCoverage') as Profiler.TakePreciseCoverageReturnType
    const ours = result.filter(({ url }) => url.includes('/src/') && !url.includes('/node_modules/'))
    return new Map(ours.map(({ scriptId, functions }) => [scriptId, runIn(functions)]))
  }

  /** In the same thread the answer is there before the call returns. */
  #post(method: string, params: object = {}): unknown {
    let answer: unknown
    this.#session.post(method, params, (error, result) => {
      if (error !== null) throw error
      answer = result
    })
    return answer
  }
}

/** For each character, whether it was run. The outer ranges come first, and an inner one overrules them. */
function runIn(functions: readonly Profiler.FunctionCoverage[]): Uint8Array {
  const ranges = functions.flatMap((one) => one.ranges)
  const run = new Uint8Array(MOST_SCRIPT_CHARACTERS)
  let end = 0
  for (const { startOffset, endOffset, count } of ranges) {
    run.fill(count > 0 ? 1 : 0, startOffset, endOffset)
    end = Math.max(end, endOffset)
  }
  return run.slice(0, Math.max(end, 1))
}

const MOST_SCRIPT_CHARACTERS = 200_000

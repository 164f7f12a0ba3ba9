import { publicRandom } from '../crypto/random'

/** Between two looks at something that tells nobody when it changes. */
const [LEAST_PAUSE_MS, MOST_PAUSE_MS] = [2, 30]

/** The process does not end before it if somebody waits for what is sought. */
export async function pause(): Promise<void> {
  const share = (publicRandom(1)[0] as number) / 255
  const ms = LEAST_PAUSE_MS + share * (MOST_PAUSE_MS - LEAST_PAUSE_MS)
  await new Promise((resolve) => setTimeout(resolve, ms).unref())
}

/**
 * What somebody else may never answer: a key provider, the place where checkpoints are kept.
 *
 * @param isInVain - Whether to wait no longer; asked now and then.
 * @returns The outcome; `undefined` if the waiting was in vain. The work goes on by itself then.
 */
export function unlessInVain<T>(work: Promise<T>, isInVain: () => boolean): Promise<{ readonly value: T } | undefined> {
  return new Promise((resolve, reject) => {
    const looks = setInterval(() => {
      if (!isInVain()) return
      clearInterval(looks)
      resolve(undefined)
    }, MOST_PAUSE_MS).unref()
    work.then((value) => resolve({ value }), reject).finally(() => clearInterval(looks))
  })
}

/** @returns Whether so many milliseconds have passed since it was made. */
export function after(ms: number): () => boolean {
  const start = performance.now()
  return () => performance.now() - start > ms
}

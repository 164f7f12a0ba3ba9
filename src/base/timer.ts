/**
 * Runs `work` every `intervalMs`, one run at a time, without keeping the process alive.
 *
 * @param intervalMs - Milliseconds; 0 for never. Longer than a timer can hold is cut to 2^31 - 1, about 24 days.
 * @returns Ends it, and resolves when a run that is under way is over.
 */
export function every(
  intervalMs: number,
  work: () => Promise<unknown>,
  onError: (error: unknown) => void,
): () => Promise<void> {
  if (intervalMs === 0) return async () => {}
  let running: Promise<void> | undefined
  const timer = setInterval(
    () => {
      running ??= work()
        .then(() => {}, onError)
        .finally(() => {
          running = undefined
        })
    },
    Math.min(intervalMs, MAX_TIMER_MS),
  )
  // Elsewhere than on Node, a timer is a number, and keeps nothing alive.
  ;(timer as Partial<typeof timer> | null)?.unref?.()
  return async () => {
    clearInterval(timer)
    await running
  }
}

const MAX_TIMER_MS: number = 2 ** 31 - 1

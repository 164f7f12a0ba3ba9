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
  const timer: { unref?(): unknown } | null = setInterval(
    () => {
      running ??= work()
        .then(() => {}, onError)
        .finally(() => {
          running = undefined
        })
    },
    Math.min(intervalMs, MAX_TIMER_MS),
  )
  timer?.unref?.()
  return async () => {
    clearInterval(timer as never)
    await running
  }
}

const MAX_TIMER_MS: number = 2 ** 31 - 1

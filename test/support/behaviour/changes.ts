import type { ChangeEvent, SecretView } from 'app-secret-store'

/** The events of a view, as they come. */
export function heard(view: SecretView): ChangeEvent[] {
  const changes: ChangeEvent[] = []
  view.on('change', (change) => changes.push(change))
  return changes
}

/** An event in two words. */
export function brief({ type, name }: ChangeEvent): string {
  return `${type} ${name}`
}

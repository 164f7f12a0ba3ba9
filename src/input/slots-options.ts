import { checkBoolean, optionsOf } from '../base/checks'

/** What `SecretStore.slots` takes. */
export interface SlotsOptions {
  /** As in `open`. @defaultValue `false` */
  readonly allowUnsafeLocation?: boolean
}

export function parseSlotsOptions(options: unknown): Required<SlotsOptions> {
  const names = ['allowUnsafeLocation'] as const
  const { allowUnsafeLocation = false } = optionsOf<SlotsOptions>(options, 'slots', names)
  return { allowUnsafeLocation: checkBoolean(allowUnsafeLocation, 'allowUnsafeLocation') }
}

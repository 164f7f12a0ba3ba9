import { unmoved } from '../base/bytes'

/** A secret for as long as something can use it. */
export interface HeldSecret {
  readonly bytes: Uint8Array
}

const held = new FinalizationRegistry<Uint8Array>((bytes) => bytes.fill(0))

/**
 * Takes a secret over into an object of its own. Its bytes are overwritten once nobody has that object any more: memory is
 * given back as it is, and an app that makes a provider for each opening would leave a copy of its key each time.
 *
 * @param secret - Is overwritten. Whoever uses the bytes of the holder has to keep the holder, not the bytes.
 */
export function holdSecret(secret: Uint8Array): HeldSecret {
  const bytes = unmoved(secret)
  const holder = { bytes }
  held.register(holder, bytes)
  return holder
}

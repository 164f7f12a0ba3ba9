import type { Contender } from './contender'
import { type Codec, levelContender } from './level'

/** No encryption: JSON in LevelDB. */
const codec: Codec<string> = {
  valueEncoding: 'utf8',
  encode: (_key, secret) => JSON.stringify(secret),
  decode: (_key, value) => JSON.parse(value),
  encodeText: (text) => text,
  decodeText: (value) => value,
}

export const loadContender = (): Promise<Contender> => levelContender(codec)

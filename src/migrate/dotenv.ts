import { fromUtf8 } from '../base/bytes'
import { optionsOf } from '../base/checks'
import { readSourceFile } from '../platform/source-files'
import { decodeDotenv } from './dotenv-text'
import { checkPath, readingFiles, type SecretSource } from './source'

export interface DotenvOptions {
  /** Of a file such as `.env`. Instead of `text`. */
  readonly path?: string
  /** What would be in the file. Instead of `path`. */
  readonly text?: string
}

/**
 * The variables of a text as dotenv reads it. One with a line that dotenv would pass over is refused as a whole: what
 * stands around such a line may be read otherwise than it is meant.
 *
 * @throws {TypeError} On bad options; from `importFrom`, on such a text.
 */
export function dotenv(options: DotenvOptions): SecretSource {
  const { path, text } = optionsOf<DotenvOptions>(options, 'dotenv', ['path', 'text'])
  if ((path === undefined) === (text === undefined)) {
    throw new TypeError("dotenv: expected either 'path' or 'text', got both or neither")
  }
  if (text !== undefined && typeof text !== 'string') throw new TypeError('text: expected a string, got something else')
  const file = text === undefined ? checkPath(path, 'path') : ''
  return {
    kind: 'dotenv',
    async read() {
      return decodeDotenv(text ?? (await readText(file)))
    },
  }
}

async function readText(path: string): Promise<string> {
  const bytes = await readingFiles('dotenv', () => readSourceFile(path))
  if (bytes === undefined) throw new TypeError('dotenv: expected the path of a file, got a directory or something else')
  try {
    return fromUtf8(bytes)
  } catch {
    throw new TypeError('dotenv: expected UTF-8, got something else')
  }
}

import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { sealKeyringFile } from '../../src/crypto/keyring'
import { withNewDataKey } from '../../src/crypto/next-keyring'
import { systemRandom } from '../../src/crypto/random'
import { unlockKeyring } from '../../src/keys/unlock'
import { shareFiles } from '../../src/opening/share'
import { installKeyring, type KeyringStorage, stageKeyring } from '../../src/storage/directory/keyring-json'
import { dataDirectory, examine, readKeyring } from '../../src/storage/directory/location'
import type { Batch, Engine } from '../../src/storage/engine'
import { LevelEngine } from '../../src/storage/level/engine'
import { MemoryEngine } from '../../src/storage/memory-engine'
import type { Faults, Medium } from '../contract/conformance/medium'
import { diskFull, Medium as LinkedMedium } from './shared-medium'
import { newStore, socketsFolder } from './sharing'
import { temporaryDirectory, testKey } from './stores'

/** The engines of this library, as the conformance kit takes them. */

let keyrings = 0
const anyKeyring = async (): Promise<Uint8Array> => new TextEncoder().encode(`keyring.json ${++keyrings}`)

export async function memoryMedium(): Promise<Medium> {
  const engine = new MemoryEngine([])
  return { open: async () => engine, nextKeyring: anyKeyring, keyring: async () => engine.keyring }
}

export async function levelMedium(): Promise<Medium> {
  let [staged, installed]: (Uint8Array | undefined)[] = []
  const keyring = {
    stage: async (bytes: Uint8Array) => {
      staged = bytes
    },
    install: async (bytes: Uint8Array) => {
      if (staged !== bytes) throw new Error('keyring.json: expected it to be staged first')
      installed = bytes
    },
  }
  const engine = await LevelEngine.open(join(await temporaryDirectory(), 'data'), { create: true, keyring })
  onTestFinished(() => engine.close())
  return { open: async () => engine, nextKeyring: anyKeyring, keyring: async () => installed }
}

/** Several writers of one process over the rows of a memory engine, without sockets and disks. */
export async function linkedMedium(more: Partial<LinkedMedium> = {}): Promise<Medium & { readonly faults: Faults }> {
  const medium = Object.assign(new LinkedMedium(), more)
  const engines: Engine[] = []
  const loseNextAnswer = (when: 'written' | 'not written'): void => {
    const lose = (): void => {
      medium.beforeWrite = () => {}
      medium.afterWrite = () => {}
      medium.kill()
      if (when === 'not written') throw diskFull()
    }
    if (when === 'written') medium.afterWrite = lose
    else medium.beforeWrite = lose
  }
  return {
    open: async () => {
      const engine = await medium.writer().open()
      engines.push(engine)
      onTestFinished(() => engine.close())
      return engine
    },
    nextKeyring: anyKeyring,
    keyring: async () => medium.rows.keyring,
    faults: {
      loseNextAnswer,
      loseFirst: async () => {
        // Whoever comes next knows that there was one before.
        medium.graceMs = 1000
        medium.kill()
        await engines[0]?.close()
      },
    },
  }
}

/** Several writers over LevelDB's files and the sockets of this machine. */
export async function socketMedium(): Promise<Medium & { readonly faults: Faults }> {
  await socketsFolder()
  const path = await newStore()
  const location = await examine(path)
  const directory = await dataDirectory(location)
  const engines: Engine[] = []
  let lose: ((write: () => Promise<boolean>) => Promise<boolean>) | undefined
  const open = async (): Promise<Engine> => {
    const { keyring, bytes } = await unlockKeyring(await readKeyring(location), testKey(), { sodium: false })
    const keyringStorage: KeyringStorage = { location, bytes }
    const openFiles = async (): Promise<{ engine: Engine; release: () => void }> => {
      const engine = await LevelEngine.open(directory, {
        keyring: {
          stage: (next) => stageKeyring(keyringStorage, next),
          install: (next) => installKeyring(keyringStorage, next),
        },
      })
      const { batch } = engine
      engine.batch = (): Batch => {
        const made = batch.call(engine)
        const write = made.write.bind(made)
        return {
          ...made,
          write: (expectedHead) => {
            const [losing, real] = [lose, () => write(expectedHead)]
            lose = undefined
            return losing === undefined ? real() : losing(real)
          },
        }
      }
      return { engine, release: () => {} }
    }
    // The heads of these tests are any bytes.
    const settle = async (): Promise<void> => {}
    const share = { location, keyring, keyringStorage, key: testKey(), waitMs: 0, openFiles, settle }
    const { engine } = await shareFiles(share)
    engines.push(engine)
    onTestFinished(() => engine.close())
    return engine
  }
  return {
    open,
    nextKeyring: async () => {
      const { keyring } = await unlockKeyring(await readKeyring(location), testKey(), { sodium: false })
      const next = await keyring.lendRootKey(async (rootKey) =>
        sealKeyringFile(withNewDataKey(keyring.file, rootKey, 1, systemRandom), rootKey),
      )
      keyring.wipe()
      return next
    },
    keyring: () => readKeyring(location),
    faults: {
      loseNextAnswer: (when) => {
        lose = async (write) => {
          if (when === 'not written') throw diskFull()
          const isWritten = await write()
          void engines[0]?.close()
          return isWritten
        }
      },
      loseFirst: async () => engines[0]?.close(),
    },
  }
}

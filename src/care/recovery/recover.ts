import { toBase64url } from '../../base/bytes'
import { chooseAead } from '../../crypto/aead/choose'
import { Keyring } from '../../crypto/keyring'
import { publicRandom, systemRandom } from '../../crypto/random'
import type { UnverifiedKeyringFile } from '../../format/keyring-file'
import type { Progress } from '../../input/options'
import type { KeyProvider } from '../../keys/provider'
import { unlock } from '../../keys/unlock'
import { joinPath } from '../../platform/files'
import { makeSibling } from '../../platform/new-files'
import { create } from '../../storage/directory/build'
import { examine, type Location } from '../../storage/directory/location'
import { alreadyThere, system } from '../../storage/directory/system-errors'
import { keyspace } from '../../storage/keyspace'
import { LevelEngine } from '../../storage/level/engine'
import { Evidence } from './evidence'
import { rebuild } from './rebuild'
import type { RecoveryReport } from './report'
import { damagedDirectory, readDamagedData, readDamagedKeyring } from './source'

export interface RecoverPlan {
  readonly key: KeyProvider
  readonly sodium: boolean
  readonly onProgress?: ((progress: Progress) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/**
 * Makes a new store of what is left of a damaged one, which is only read. LevelDB itself is not asked: its files are read
 * one by one, and every row that opens is evidence; of each secret the newest version that was not deleted is kept.
 *
 * The new store has the damaged one's id and keys, so that the same keys open it, and a head past all that was found.
 */
export async function recover(path: string, destination: string, plan: RecoverPlan): Promise<RecoveryReport> {
  plan.signal?.throwIfAborted()
  const target = await examine(destination)
  if (target.state === 'store') throw alreadyThere('destination')
  const directory = await damagedDirectory(path)
  if (target.directory.startsWith(joinPath(directory, '/'))) {
    throw new TypeError('destination: expected a place outside the damaged store, got one in it')
  }
  const { bytes, unverified } = await readDamagedKeyring(directory)
  const { file, rootKey } = await unlock(unverified, plan.key)
  const keyring = new Keyring(file, rootKey, publicRandom, chooseAead(plan))
  rootKey.fill(0)
  try {
    return await system('destination', () => salvage(directory, target, { bytes, unverified, keyring }, plan))
  } finally {
    keyring.wipe()
  }
}

interface Keys {
  /** keyring.json. */
  readonly bytes: Uint8Array
  readonly unverified: UnverifiedKeyringFile
  readonly keyring: Keyring
}

async function salvage(
  directory: string,
  target: Location,
  { bytes, unverified, keyring }: Keys,
  { onProgress, signal }: RecoverPlan,
): Promise<RecoveryReport> {
  const workshop = await makeSibling(target.directory, `recovering-${toBase64url(systemRandom(9))}`)
  try {
    const engine = await LevelEngine.open(joinPath(workshop.path, 'evidence'), { create: true })
    try {
      const evidence = new Evidence(
        engine,
        keyring,
        keyspace(keyring.names, (name) => keyring.nameHash(name)),
      )
      const { damage, lastSequence } = await readDamagedData(directory, {
        take: (row) => evidence.take(row),
        onBytes(done, total) {
          signal?.throwIfAborted()
          onProgress?.({ done, total })
        },
      })
      await evidence.flush()
      const outdated = lastSequence !== undefined && evidence.lastSequence < lastSequence
      let report: RecoveryReport | undefined
      const build = async (dataDirectory: string): Promise<void> => {
        report = { ...(await rebuild(dataDirectory, evidence, keyring, { unverified, outdated, signal })), damage }
      }
      if (!(await create(target, bytes, build, systemRandom))) throw alreadyThere('destination')
      if (report === undefined) throw new Error('recover: expected the new store to be built, got none')
      return report
    } finally {
      await engine.close()
    }
  } finally {
    await workshop.remove()
  }
}

import { toBase64url } from '../../base/bytes'
import { systemRandom } from '../../crypto/random'
import type { RecoverSettings } from '../../input/restore-options'
import { type Unlocked, unlockKeyring } from '../../keys/unlock'
import { joinPath } from '../../platform/files'
import { makeSibling } from '../../platform/new-files'
import { buildStore, checkFolders } from '../../storage/directory/build'
import { examine, type Location } from '../../storage/directory/location'
import { alreadyThere, system } from '../../storage/directory/system-errors'
import type { Engine } from '../../storage/engine'
import { keyspace } from '../../storage/keyspace'
import { LevelEngine } from '../../storage/level/engine'
import { Evidence } from './evidence'
import { rebuild } from './rebuild'
import type { RecoveryReport } from './report'
import { damagedDirectory, readDamagedData, readDamagedKeyring } from './source'

/**
 * Makes a new store of what is left of a damaged one, which is only read, file by file, without LevelDB. Of each secret
 * the newest version that was not deleted is kept. The same keys open the new store; its head comes after all that was
 * found.
 */
export async function recover(path: string, plan: RecoverSettings): Promise<RecoveryReport> {
  plan.signal?.throwIfAborted()
  const target = await examine(plan.destination, plan.allowUnsafeLocation)
  if (target.state === 'store') throw alreadyThere('destination')
  const directory = await damagedDirectory(path)
  if (target.directory.startsWith(joinPath(directory, '/'))) {
    throw new TypeError('destination: expected a place outside the damaged store, got one in it')
  }
  const unlocked = await unlockKeyring(await readDamagedKeyring(directory), plan.key, plan)
  try {
    return await system('destination', () => salvage(directory, target, unlocked, plan))
  } finally {
    unlocked.keyring.wipe()
  }
}

async function salvage(
  directory: string,
  target: Location,
  unlocked: Unlocked,
  { onProgress, signal }: RecoverSettings,
): Promise<RecoveryReport> {
  const { keyring } = unlocked
  await checkFolders(target)
  const workshop = await makeSibling(target.directory, `recovering-${toBase64url(systemRandom(9))}`)
  try {
    const engine = await LevelEngine.open(joinPath(workshop.path, 'evidence'), { create: true })
    try {
      const evidence = new Evidence(engine, keyring, keyspace(keyring))
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
      const fill = async (newEngine: Engine): Promise<void> => {
        report = { ...(await rebuild(newEngine, evidence, unlocked, { outdated, signal })), damage }
      }
      if (!(await buildStore(target, unlocked.bytes, fill))) throw alreadyThere('destination')
      if (report === undefined) throw new Error('recover: expected the new store to be built, got none')
      return report
    } finally {
      await engine.close()
    }
  } finally {
    await workshop.remove()
  }
}

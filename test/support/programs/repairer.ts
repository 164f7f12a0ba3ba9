/**
 * Has LevelDB repair a database and read it, in a process that it may take down. Each directory it is sent is answered by
 * the rows, or by none if it does not open.
 */
import { Level } from 'level'

export type RepairedRows = readonly (readonly [key: string, value: string])[] | 'not opened'

type Repairing = { repair(location: string): Promise<void> }

async function repaired(directory: string): Promise<RepairedRows> {
  const database = new Level<Buffer, Buffer>(directory, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    createIfMissing: false,
    compression: false,
  })
  try {
    await (Level as unknown as Repairing).repair(directory)
    await database.open()
    const rows = await database.iterator().all()
    return rows.map(([key, value]) => [key.toString('latin1'), value.toString('latin1')] as const)
  } catch {
    return 'not opened'
  } finally {
    await database.close().catch(() => {})
  }
}

if (process.send !== undefined) {
  process.on('message', (directory) => void repaired(directory as string).then((rows) => process.send?.(rows)))
  process.once('disconnect', () => process.exit())
}

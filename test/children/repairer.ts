/** Has LevelDB itself repair copies of databases, and tells what it then gives. Damage may take this process down. */
import { ClassicLevel } from 'classic-level'

process.on('message', async (directory: string) => {
  process.send?.(await repaired(directory).catch(() => []))
})

/** All rows, in base64. */
async function repaired(directory: string): Promise<(readonly [string, string])[]> {
  await ClassicLevel.repair(directory)
  const database = new ClassicLevel<Uint8Array, Uint8Array>(directory, {
    createIfMissing: false,
    keyEncoding: 'view',
    valueEncoding: 'view',
  })
  await database.open()
  const rows = await database.iterator().all()
  await database.close()
  const text = (bytes: Uint8Array): string => Buffer.from(bytes).toString('base64')
  return rows.map(([key, value]) => [text(key), text(value)] as const)
}

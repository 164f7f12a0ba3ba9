import { chmod, chown, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { shell } from '../../support/cli-program'
import { temporaryDirectory } from '../../support/stores'

const STRANGER = 12_345

async function store(): Promise<{ readonly directory: string; readonly env: Record<string, string> }> {
  const directory = await temporaryDirectory()
  const env = { SECRET_STORE: join(directory, 'store'), DIR: directory, HOME: directory }
  await writeFile(join(directory, 'key'), Buffer.alloc(32, 7), { mode: 0o600 })
  expect(await shell('secret-store init --quiet --key-file $DIR/key', env)).toMatchObject({ code: 0 })
  return { directory, env }
}

describe.skipIf(process.platform === 'win32')('a key', () => {
  test.each([
    ['a pipe at stdin', 'cat $DIR/key | secret-store status --key-file /dev/stdin'],
    ['a pipe at a descriptor', 'secret-store status --key-file /dev/fd/3 3< <(cat $DIR/key)'],
    ['a process substitution', 'secret-store status --key-file <(cat $DIR/key)'],
    ['a named pipe', 'mkfifo -m 644 $DIR/pipe; cat $DIR/key >$DIR/pipe & secret-store status --key-file $DIR/pipe'],
    ['a file at stdin', 'secret-store status --key-file /dev/stdin <$DIR/key'],
    ['a here document', 'secret-store status --key-file /dev/stdin <<<$(base64 <$DIR/key)'],
  ])('comes out of %s', async (_, line) => {
    const { env } = await store()
    expect(await shell(line, env)).toMatchObject({ code: 0, stderr: '' })
  })

  test('that others may read is refused by its name, and warned of at stdin', async () => {
    const { directory, env } = await store()
    await chmod(join(directory, 'key'), 0o640)
    expect(await shell('secret-store status --key-file $DIR/key', env)).toMatchObject({
      code: 1,
      stderr:
        `error: key file ${directory}/key: expected it to be for you alone, got mode 0640\n` +
        'hint: `chmod 600` it; if others may have read it, replace the key with `secret-store keys replace`\n',
    })
    const { code, stderr } = await shell('secret-store status --key-file /dev/stdin <$DIR/key', env)
    expect({ code, stderr }).toEqual({
      code: 0,
      stderr: 'warning: others on this machine may read /dev/stdin; `chmod 600` it\n',
    })
  })

  test.skipIf(process.getuid?.() !== 0)('in a named pipe of another user is refused, unread', async () => {
    const { directory, env } = await store()
    await shell('mkfifo $DIR/pipe', env)
    await chown(join(directory, 'pipe'), STRANGER, STRANGER)
    const line = 'cat $DIR/key >$DIR/pipe & secret-store init --store $DIR/second --key-file $DIR/pipe'
    const { code, stderr } = await shell(line, env)
    expect(code).toBe(1)
    expect(stderr).toContain("expected it to belong to you or to root, got another user's")
  })
})

import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { ByteWriter } from '../../src/base/byte-codec'
import { concat, fromBase64url, toBase64url, utf8 } from '../../src/base/bytes'
import { createKeyringFile } from '../../src/crypto/data-keys'
import { derive, mac, sha256 } from '../../src/crypto/derive'
import { costProblem, stretch } from '../../src/crypto/kdf'
import { Keyring, readKeyringFile, sealKeyringFile, verifyKeyringFile } from '../../src/crypto/keyring'
import type { Random } from '../../src/crypto/random'
import { open } from '../../src/crypto/seal'
import { unwrapRootKey, wrapRootKey } from '../../src/crypto/slot'
import { decodeCheckpoint } from '../../src/format/checkpoint'
import {
  ARGON2ID,
  CHANNEL,
  DATA_DIRECTORY,
  ENVELOPE_HEADER_BYTES,
  ID_PREFIX,
  KEY_BYTES,
  KEYRING_FILE,
  LABEL,
  OWNER_FILE,
  SCRYPT,
  STAGED_KEYRING_FILE,
  STAGED_OWNER_FILE,
  TAG_BYTES,
} from '../../src/format/constants'
import { RowContext, SetElement } from '../../src/format/envelope'
import { decodeHead, EMPTY_HEAD, encodeHead, encodeSetHash } from '../../src/format/head'
import type { KeySlot } from '../../src/format/keyring-file'
import { encodePayload, encodeRecord, padmeLength } from '../../src/format/record'
import type { Payload, SecretRecord } from '../../src/model'
import { nextHead } from '../../src/storage/head'
import { expiryRow, HEAD_ROW, idRow, keyspace, payloadRow, type RowKey } from '../../src/storage/keyspace'
import type { Replacement, WrittenRecord } from '../../src/storage/records'
import { openPayload, openRecord, type SealedRecord, sealRecord } from '../../src/storage/records'
import { ANSWERS, REQUESTS } from '../../src/storage/sharing/messages'
import { formerToken } from '../support/former-checkpoint'
import { fromRoot } from '../support/paths'
import { rootedExample } from '../support/rooted-example'
import { sharedExample } from '../support/shared-example'

/**
 * docs/format.md §13 is a store with every byte of it. Here it is computed by the library and compared with the page, so
 * that neither can change without the other.
 */
const page = readFileSync(fromRoot('docs/format.md'), 'utf8')

/** The n-th call returns bytes of value n: each nonce and key on the page can be recognised. */
function countingRandom(): Random {
  let calls = 0
  return (lengthBytes) => new Uint8Array(lengthBytes).fill(++calls)
}

function run(start: number, length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => start + index)
}

const CREATED = 1_767_225_600
const EXPIRES_AT = 4_102_444_800
const PASSPHRASE = 'correct horse battery staple'
const COST = { kdf: 'scrypt', ...SCRYPT.floor } as const

const SMALL: { record: SecretRecord; payload: Payload } = {
  record: {
    id: 'appsecret_000000000000000000000001',
    address: { partition: { account: undefined, livemode: false }, scope: { type: 'account' }, name: 'api-key' },
    created: CREATED,
    expires_at: EXPIRES_AT,
    revision: 1,
  },
  payload: { type: 'text', bytes: utf8('sk_123') },
}

const LARGE: { record: SecretRecord; payload: Payload } = {
  record: {
    id: 'appsecret_000000000000000000000002',
    address: {
      partition: { account: 'acct_1', livemode: true },
      scope: { type: 'user', user: '100%|a' },
      name: 'tls|key',
    },
    created: CREATED,
    expires_at: null,
    revision: 1,
  },
  payload: { type: 'bytes', bytes: new Uint8Array(1025).fill(0x61) },
}

/** Every value of §13, under its name on the page. */
async function example(): Promise<{ readonly hex: Record<string, Uint8Array>; readonly text: Record<string, string> }> {
  const random = countingRandom()
  const rootKey = run(0x40, KEY_BYTES)
  const storeId = run(0xa0, 16)
  const slotId = run(0xb0, 8)
  const salt = run(0xc0, 16)
  const plain = keyspace({ names: 'plain', nameHash: () => new Uint8Array() })

  const secret = await stretch(utf8(PASSPHRASE), salt, COST)
  const slotContext = { storeId, slotId, kind: 'passphrase' }
  const slotBytes = concat(storeId, slotId, utf8('passphrase'))
  const wrapped = wrapRootKey(secret, rootKey, slotContext, random)
  const params = { ...COST, salt: toBase64url(salt), ...wrapped }
  const slot: KeySlot = { id: slotId, kind: 'passphrase', label: 'example', created: CREATED, params }
  const file = createKeyringFile(rootKey, { storeId, created: CREATED, names: 'plain', slots: [slot] }, random)
  const keyringJson = sealKeyringFile(file, rootKey)
  const macKey = derive(rootKey, LABEL.keyringMac, storeId)

  const wrapKey = derive(rootKey, LABEL.keyWrap, storeId)
  const keyContext = (id: number): Uint8Array => new ByteWriter().u8(1).raw(storeId).u32(id).bytes()
  const wrappedDataKey = file.keys[0]?.wrapped as Uint8Array
  const dataKey = open(wrapKey, wrappedDataKey, keyContext(1)) as Uint8Array
  const indexKey = open(wrapKey, file.indexKey, keyContext(0)) as Uint8Array
  const namesKey = derive(indexKey, LABEL.names, storeId)
  const sealedNames = keyspace({ names: 'sealed', nameHash: (composite) => mac(namesKey, composite) })

  const keyring = new Keyring(file, rootKey, random)
  const [smallRow, largeRow] = [plain.record(SMALL.record.address), plain.record(LARGE.record.address)]
  const small = sealRecord(keyring, smallRow.bytes, SMALL.record, SMALL.payload)
  const large = sealRecord(keyring, largeRow.bytes, LARGE.record, LARGE.payload)
  const payloadValue = large.payloadValue as Uint8Array
  const written = ({ bytes }: RowKey, { record, value }: SealedRecord): WrittenRecord => ({
    record,
    element: keyring.elementHash(bytes, value),
  })
  const [smallWritten, largeWritten] = [written(smallRow, small), written(largeRow, large)]
  const replacements: Replacement[] = [
    { rowKey: smallRow, previous: undefined, next: smallWritten },
    { rowKey: largeRow, previous: undefined, next: largeWritten },
  ]
  const head = nextHead(EMPTY_HEAD, replacements)
  const headValue = keyring.sealRow(HEAD_ROW, encodeHead(head))
  const checkpointMac = keyring.checkpointMac(head)
  const token = formerToken({ storeId, sequence: head.sequence, mac: checkpointMac })

  const rooted = rootedExample({
    file,
    rootKey,
    newRootKey: run(0x60, KEY_BYTES),
    secret,
    newSlotId: run(0xd0, 8),
    head,
    small: { rowKey: smallRow, record: SMALL.record, written: smallWritten },
    payload: SMALL.payload,
    random,
  })

  const shared = sharedExample({ file, rootKey, headValue })

  const macOf = (key: string): Uint8Array =>
    fromBase64url(JSON.parse(new TextDecoder().decode(keyringJson))[key]) as Uint8Array
  return {
    hex: {
      'root-key': rootKey,
      'store-id': storeId,
      'slot-id': slotId,
      salt,
      'passphrase-bytes': utf8(PASSPHRASE),
      'stretched-secret': secret,
      'slot-context': slotBytes,
      'slot-commitment-info': concat(utf8(LABEL.slotCommitment), Uint8Array.of(0), slotBytes),
      'slot-commitment': derive(secret, LABEL.slotCommitment, slotBytes),
      'slot-wrap-key': derive(secret, LABEL.slotWrap, slotBytes),
      'slot-wrapped': fromBase64url(wrapped.wrapped) as Uint8Array,
      'key-wrap-key': wrapKey,
      'data-key': dataKey,
      'data-key-context': keyContext(1),
      'data-key-wrapped': wrappedDataKey,
      'index-key': indexKey,
      'index-key-context': keyContext(0),
      'index-key-wrapped': file.indexKey,
      'keyring-sha256': macOf('sha256'),
      'keyring-mac-key': macKey,
      'keyring-mac': macOf('mac'),
      'master-key': derive(dataKey, LABEL.master, storeId),
      'set-hash-key': derive(indexKey, LABEL.setHash, storeId),
      'checkpoint-key': derive(indexKey, LABEL.checkpoint, storeId),
      'names-key': namesKey,
      'small-row-key': smallRow.bytes,
      'small-plaintext': encodeRecord(small.record),
      'small-context': new RowContext(storeId).of(smallRow.bytes),
      'small-envelope': small.value,
      'small-id-row-key': idRow(SMALL.record.id),
      'small-expiry-row-key': expiryRow(EXPIRES_AT, SMALL.record.id),
      'large-row-key': largeRow.bytes,
      'large-payload-row-key': payloadRow(largeRow.bytes),
      'large-payload-envelope': payloadValue,
      'large-plaintext': encodeRecord(large.record),
      'large-envelope': large.value,
      'large-id-row-key': idRow(LARGE.record.id),
      'small-element-input': new SetElement().of(smallRow.bytes, small.value),
      'small-element': encodeSetHash(smallWritten.element),
      'large-element': encodeSetHash(largeWritten.element),
      'set-hash': encodeSetHash(head.setHash),
      'head-row-key': HEAD_ROW,
      'head-plaintext': encodeHead(head),
      'head-context': new RowContext(storeId).of(HEAD_ROW),
      'head-envelope': headValue,
      'checkpoint-mac-input': new ByteWriter()
        .u64(head.sequence)
        .u64(head.count)
        .raw(encodeSetHash(head.setHash))
        .bytes(),
      'checkpoint-mac': checkpointMac,
      'checkpoint-bytes': fromBase64url(token) as Uint8Array,
      'sealed-scope-prefix': sealedNames.scope(SMALL.record.address.partition, SMALL.record.address.scope),
      'sealed-row-key': sealedNames.record(SMALL.record.address).bytes,
      ...rooted.hex,
      ...shared.hex,
    },
    text: {
      'keyring.json': new TextDecoder().decode(keyringJson),
      'checkpoint-token': `${token}\n`,
      'second-keyring.json': rooted.json,
      token: `${rooted.token}\n`,
      'owner.json': shared.json,
    },
  }
}

/** The fenced blocks of the page whose info string is `kind name`. */
function blocks(kind: string): Record<string, string> {
  const found: Record<string, string> = {}
  for (const [, blockKind, name, body] of page.matchAll(/^```(\w+) (\S+)\n([\s\S]*?)^```$/gm)) {
    if (blockKind !== kind) continue
    if (Object.hasOwn(found, name as string)) throw new Error(`docs/format.md: expected one block '${name}', got two`)
    found[name as string] = body as string
  }
  return found
}

function hexOf(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('hex')
}

function pageBytes(name: string): Uint8Array {
  return new Uint8Array(Buffer.from((blocks('hex')[name] ?? '').replace(/\s/g, ''), 'hex'))
}

describe('docs/format.md', () => {
  test('§13: every hex string is what the library makes', async () => {
    const { hex } = await example()
    const onPage = Object.fromEntries(
      Object.entries(blocks('hex')).map(([name, body]) => [name, body.replace(/\s/g, '')] as const),
    )
    expect(onPage).toEqual(Object.fromEntries(Object.entries(hex).map(([name, bytes]) => [name, hexOf(bytes)])))
  })

  test('§13: keyring.json and the checkpoint token are what the library makes', async () => {
    const { text } = await example()
    const { 'checkpoint-token': former, 'second-keyring.json': second, token } = blocks('text')
    expect({ ...blocks('json'), 'checkpoint-token': former, 'second-keyring.json': second, token }).toEqual(text)
  })

  test('§13: the bytes on the page open from the passphrase up', async () => {
    const unverified = readKeyringFile(utf8(blocks('json')['keyring.json'] ?? ''))
    const slot = unverified.file.slots[0] as KeySlot
    const secret = await stretch(utf8(PASSPHRASE), pageBytes('salt'), COST)
    const context = { storeId: unverified.file.storeId, slotId: slot.id, kind: slot.kind }
    const rootKey = unwrapRootKey(secret, slot.params, context) as Uint8Array
    const keyring = new Keyring(verifyKeyringFile(unverified, rootKey), rootKey, countingRandom())
    for (const [size, { record, payload }] of [['small', SMALL] as const, ['large', LARGE] as const]) {
      const rowKey = pageBytes(`${size}-row-key`)
      const opened = openRecord(keyring, rowKey, pageBytes(`${size}-envelope`))
      expect(opened).toMatchObject(record)
      const payloadEnvelope = size === 'large' ? pageBytes('large-payload-envelope') : undefined
      expect(openPayload(keyring, rowKey, opened, payloadEnvelope)).toEqual(payload)
    }
    const head = decodeHead(keyring.openRow(HEAD_ROW, pageBytes('head-envelope')))
    expect(head).toMatchObject({ sequence: 1, count: 2, superseded: 0 })
    expect(decodeCheckpoint((blocks('text')['checkpoint-token'] ?? '').trim())).toEqual({
      version: 1,
      storeId: keyring.storeId,
      sequence: 1,
      mac: keyring.checkpointMac(head),
    })
  })

  test('§3: the checksum and the MAC cover the bytes the page says they cover', () => {
    const text = blocks('json')['keyring.json'] ?? ''
    const checked = text.slice(0, text.indexOf(',\n  "sha256": "'))
    const authenticated = text.slice(0, text.indexOf(',\n  "mac": "'))
    expect(sha256(utf8(checked))).toEqual(pageBytes('keyring-sha256'))
    expect(mac(pageBytes('keyring-mac-key'), utf8(authenticated))).toEqual(pageBytes('keyring-mac'))
  })

  test('§7: the table of Padmé lengths', () => {
    const rows = (blocks('text')['padme'] ?? '').trim().split('\n').slice(1)
    const lengths = rows.map((row) => row.trim().split(/\s+/).map(Number) as [number, number])
    expect(lengths.length).toBeGreaterThan(10)
    for (const [length, padded] of lengths) expect([length, padmeLength(length)]).toEqual([length, padded])
  })

  test('§16: the numbers of a channel, and the types of its messages, are those of the library', () => {
    const section = page.slice(page.indexOf('## 16.'))
    const { mostFrameBytes, mostMessageBytes, nonceBytes, proofBytes, helloBytes } = CHANNEL
    for (const number of [mostFrameBytes, mostMessageBytes, mostFrameBytes + TAG_BYTES])
      expect(section).toContain(number.toLocaleString('en'))
    expect([nonceBytes, proofBytes, helloBytes]).toEqual([32, 32, 38])
    const rows = [...section.matchAll(/^\| `([\da-f]{2})` +\| (\w+) +\| (request|answer|feed) /gm)]
    expect(rows.map(([, type, name, kind]) => `${kind} ${type} ${name}`)).toEqual([
      ...REQUESTS.map((name, type) => `request ${hexOf(Uint8Array.of(type))} ${name}`),
      ...ANSWERS.map((name, type) => `answer ${hexOf(Uint8Array.of(type))} ${name}`),
      'feed ff commit',
    ])
  })

  test('§3: the table of labels is complete', () => {
    const onPage = new Set(page.match(/secret-store\/v[13]\/[a-z-]+/g))
    expect(onPage).toEqual(new Set(Object.values(LABEL)))
  })

  test('§3: the bounds of the key derivation are the library’s own', () => {
    const rows = [
      ...page.matchAll(/^\| +`(scrypt|argon2id)` +\| +`(\w)` +\| +([\d,]+) +\| +([\d,]+) +\| +([\d,]+) +\|$/gm),
    ]
    const onPage = rows.map(([, kdf, name, ...numbers]) => [
      kdf,
      name,
      ...numbers.map((text) => Number(text.replaceAll(',', ''))),
    ])
    const bounds = [['scrypt', SCRYPT] as const, ['argon2id', ARGON2ID] as const].flatMap(([kdf, cost]) =>
      Object.entries(cost.floor).map(([name, floor]) => [
        kdf,
        name,
        floor,
        (cost.default as Record<string, number>)[name],
        (cost.ceiling as Record<string, number>)[name],
      ]),
    )
    expect(onPage).toEqual(bounds)
    expect(costProblem({ kdf: 'scrypt', N: 1_048_576, r: 8, p: 1 })).toBeUndefined()
    expect(costProblem({ kdf: 'scrypt', N: 1_048_576, r: 9, p: 1 })).toMatch(/1 GiB/)
  })

  test('§5: the lengths of an envelope', () => {
    expect([ENVELOPE_HEADER_BYTES, TAG_BYTES]).toEqual([29, 16])
    expect(pageBytes('small-envelope').length).toBe(29 + pageBytes('small-plaintext').length + 16)
    expect(encodePayload(LARGE.payload.bytes).length).toBe(pageBytes('large-payload-envelope').length - 45)
  })
})

test.each([
  [KEYRING_FILE, 'keyring.json'],
  [STAGED_KEYRING_FILE, 'keyring.json.new'],
  [OWNER_FILE, 'owner.json'],
  [STAGED_OWNER_FILE, 'owner.json.new'],
  [`${DATA_DIRECTORY}/`, 'data/'],
  [ID_PREFIX, 'appsecret_'],
])('the page names %s, as it is on disk', (name, expected) => {
  expect(name).toBe(expected)
  expect(page).toContain(`\`${expected}\``)
})

import { ByteReader, ByteWriter } from '../../base/byte-codec'
import { corrupt, SecretStoreError, type SecretStoreErrorCode } from '../../errors'
import type { Change, Range, Row } from '../engine'

/**
 * What two processes that share a store say to one another, byte by byte (docs/format.md §16.5). What `decode…` accepts is
 * exactly what `encode…` writes.
 */

/** A commit: all of it or nothing, if the head is still the one that it was planned on. */
export interface CommitRequest {
  readonly expectedHead: Uint8Array | undefined
  readonly changes: readonly Change[]
  /** For the others: what the commit did, in the words of commit-note.ts. */
  readonly note: Uint8Array
  /** The next keyring.json, put in place before the changes. */
  readonly keyring: Uint8Array | undefined
}

export type Request =
  | { readonly type: 'get'; readonly key: Uint8Array }
  | { readonly type: 'getMany'; readonly keys: readonly Uint8Array[] }
  | { readonly type: 'scan' | 'scanKeys'; readonly range: Range }
  /** For so many milliseconds, if more than usual are needed. */
  | { readonly type: 'turn'; readonly wantedMs: number }
  | ({ readonly type: 'commit' } & CommitRequest)
  /** Gives the turn back without a commit. */
  | { readonly type: 'pass' }
  | { readonly type: 'erase' }
  /** Takes a named lock, or takes again one that it had under the owner before, or by the connection before. */
  | { readonly type: 'lock'; readonly name: string; readonly again: boolean }
  /** Gives it back, or ends the waiting for it. */
  | { readonly type: 'unlock'; readonly name: string }
  /** Says who it is, and asks who is there. */
  | { readonly type: 'meet'; readonly pid: number }

export type Answer =
  | { readonly type: 'value'; readonly value: Uint8Array | undefined }
  | { readonly type: 'values'; readonly values: readonly (Uint8Array | undefined)[] }
  | { readonly type: 'rows'; readonly rows: readonly Row[] }
  | { readonly type: 'done'; readonly isDone: boolean }
  | { readonly type: 'error'; readonly code: string; readonly message: string }

/** A commit of another process, in the one order of all. */
export interface FeedItem {
  /** Counts the commits of one owner, from 1. */
  readonly number: number
  readonly head: Uint8Array
  readonly note: Uint8Array
  readonly keyring: Uint8Array | undefined
}

/** A type is the place in its list, from 0. */
export const REQUESTS = [
  'get',
  'getMany',
  'scan',
  'scanKeys',
  'turn',
  'commit',
  'pass',
  'erase',
  'lock',
  'unlock',
  'meet',
] as const
export const ANSWERS = ['value', 'values', 'rows', 'done', 'error'] as const
/** Where an answer has its type, a commit of the feed has this. */
const FEED = 255

/** @param id - Comes back in the answer; below 2^32. */
export function encodeRequest(id: number, request: Request): Uint8Array {
  const writer = new ByteWriter(256).u8(REQUESTS.indexOf(request.type)).u32(id)
  switch (request.type) {
    case 'get':
      return bytes32(writer, request.key).bytes()
    case 'getMany':
      return list(writer, request.keys, bytes32).bytes()
    case 'scan':
    case 'scanKeys': {
      const { gte, lt, limit, reverse = false } = request.range
      return bytes32(bytes32(writer, gte), lt).u32(limit).u8(Number(reverse)).bytes()
    }
    case 'turn':
      return writer.u32(request.wantedMs).bytes()
    case 'commit':
      optional(writer, request.expectedHead)
      list(writer, request.changes, writeChange)
      return optional(bytes32(writer, request.note), request.keyring).bytes()
    case 'lock':
      return writer.u8(Number(request.again)).text16(request.name).bytes()
    case 'unlock':
      return writer.text16(request.name).bytes()
    case 'meet':
      return writer.u32(request.pid).bytes()
    default:
      return writer.bytes()
  }
}

/** @throws {SecretStoreError} `ERR_CORRUPT`. */
export function decodeRequest(message: Uint8Array): { readonly id: number; readonly request: Request } {
  return decoding(message, (reader) => {
    const type = REQUESTS[reader.u8()]
    const id = reader.u32()
    switch (type) {
      case 'get':
        return { id, request: { type, key: readBytes(reader) } }
      case 'getMany':
        return { id, request: { type, keys: readList(reader, readBytes) } }
      case 'scan':
      case 'scanKeys': {
        const [gte, lt, limit, reverse] = [readBytes(reader), readBytes(reader), reader.u32(), readFlag(reader)]
        return { id, request: { type, range: { gte, lt, limit, reverse } } }
      }
      case 'turn':
        return { id, request: { type, wantedMs: reader.u32() } }
      case 'commit': {
        const [expectedHead, changes] = [readOptional(reader), readList(reader, readChange)]
        const [note, keyring] = [readBytes(reader), readOptional(reader)]
        return { id, request: { type, expectedHead, changes, note, keyring } }
      }
      case 'lock': {
        const again = readFlag(reader)
        return { id, request: { type, again, name: reader.text16() } }
      }
      case 'unlock':
        return { id, request: { type, name: reader.text16() } }
      case 'meet':
        return { id, request: { type, pid: reader.u32() } }
      case undefined:
        throw new RangeError('request: expected a known one, got another')
      default:
        return { id, request: { type } }
    }
  })
}

/** @param id - Of the request. */
export function encodeAnswer(id: number, answer: Answer): Uint8Array {
  const writer = new ByteWriter(256).u8(ANSWERS.indexOf(answer.type)).u32(id)
  switch (answer.type) {
    case 'value':
      return optional(writer, answer.value).bytes()
    case 'values':
      return list(writer, answer.values, optional).bytes()
    case 'rows':
      return list(writer, answer.rows, (into, { key, value }) => bytes32(bytes32(into, key), value)).bytes()
    case 'done':
      return writer.u8(Number(answer.isDone)).bytes()
    case 'error':
      return writer.text16(answer.code).text16(answer.message.slice(0, MOST_ERROR_CHARACTERS)).bytes()
  }
}

/** Of LevelDB and the system, with paths in it perhaps. */
const MOST_ERROR_CHARACTERS = 2000

export function encodeFeedItem({ number, head, note, keyring }: FeedItem): Uint8Array {
  const writer = new ByteWriter(256).u8(FEED).u64(number)
  return optional(bytes32(bytes32(writer, head), note), keyring).bytes()
}

/** What a follower receives. */
export type FromOwner = { readonly id: number; readonly answer: Answer } | { readonly feed: FeedItem }

/** @throws {SecretStoreError} `ERR_CORRUPT`. */
export function decodeFromOwner(message: Uint8Array): FromOwner {
  return decoding(message, (reader): FromOwner => {
    const kind = reader.u8()
    if (kind === FEED) {
      const [number, head, note] = [reader.u64(), readBytes(reader), readBytes(reader)]
      return { feed: { number, head, note, keyring: readOptional(reader) } }
    }
    const type = ANSWERS[kind]
    const id = reader.u32()
    switch (type) {
      case 'value':
        return { id, answer: { type, value: readOptional(reader) } }
      case 'values':
        return { id, answer: { type, values: readList(reader, readOptional) } }
      case 'rows':
        return {
          id,
          answer: { type, rows: readList(reader, (from) => ({ key: readBytes(from), value: readBytes(from) })) },
        }
      case 'done':
        return { id, answer: { type, isDone: readFlag(reader) } }
      case 'error':
        return { id, answer: { type, code: reader.text16(), message: reader.text16() } }
      default:
        throw new RangeError('answer: expected a known one, got another')
    }
  })
}

/** What an owner's failure is in the process that asked. A code that is none of this library's is `ERR_IO`. */
export function errorOf({ code, message }: Extract<Answer, { readonly type: 'error' }>): SecretStoreError {
  return new SecretStoreError(code.startsWith('ERR_') ? (code as SecretStoreErrorCode) : 'ERR_IO', message)
}

function decoding<T>(message: Uint8Array, read: (reader: ByteReader) => T): T {
  try {
    const reader = new ByteReader(message)
    const found = read(reader)
    if (reader.offset !== message.length) throw new RangeError('message: expected its end, got more')
    return found
  } catch (cause) {
    throw corrupt('channel: expected a message of its protocol, got other bytes', cause)
  }
}

function bytes32(writer: ByteWriter, bytes: Uint8Array): ByteWriter {
  return writer.u32(bytes.length).raw(bytes)
}

/** Memory of its own: the message may be large, and what is read of it may be kept. */
function readBytes(reader: ByteReader): Uint8Array {
  return reader.raw(reader.u32()).slice()
}

function readFlag(reader: ByteReader): boolean {
  const flag = reader.u8()
  if (flag > 1) throw new RangeError('flag: expected 0 or 1, got more')
  return flag === 1
}

function optional(writer: ByteWriter, bytes: Uint8Array | undefined): ByteWriter {
  return bytes === undefined ? writer.u8(0) : bytes32(writer.u8(1), bytes)
}

function readOptional(reader: ByteReader): Uint8Array | undefined {
  return readFlag(reader) ? readBytes(reader) : undefined
}

function list<T>(writer: ByteWriter, items: readonly T[], write: (writer: ByteWriter, item: T) => void): ByteWriter {
  writer.u32(items.length)
  for (const item of items) write(writer, item)
  return writer
}

function readList<T>(reader: ByteReader, read: (reader: ByteReader) => T): T[] {
  const items: T[] = []
  for (let left = reader.u32(); left > 0; left--) items.push(read(reader))
  return items
}

function writeChange(writer: ByteWriter, change: Change): void {
  if (change.type === 'del') bytes32(writer.u8(0), change.key)
  else bytes32(bytes32(writer.u8(1), change.key), change.value)
}

function readChange(reader: ByteReader): Change {
  const isPut = readFlag(reader)
  const key = readBytes(reader)
  return isPut ? { type: 'put', key, value: readBytes(reader) } : { type: 'del', key }
}

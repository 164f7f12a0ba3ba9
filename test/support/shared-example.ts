import { concat, utf8 } from '../../src/base/bytes'
import { nobleAead } from '../../src/crypto/aead/noble'
import { ChannelSeal, encodeHello, proofOf } from '../../src/crypto/channel'
import { derive } from '../../src/crypto/derive'
import { Keyring } from '../../src/crypto/keyring'
import { LABEL, ROW } from '../../src/format/constants'
import type { KeyringFile } from '../../src/format/keyring-file'
import { encodeAnswer, encodeRequest } from '../../src/storage/sharing/messages'
import { encodeSession } from '../../src/storage/sharing/session'

/** The store of docs/format.md §13.1 to §13.6, as a second process reaches it. */
export interface BeforeSharing {
  readonly file: KeyringFile
  readonly rootKey: Uint8Array
  /** The value of the head row that the follower's commit puts. */
  readonly headValue: Uint8Array
}

/** Every value of docs/format.md §16.8, under its name on the page. */
export function sharedExample({ file, rootKey, headValue }: BeforeSharing): {
  readonly hex: Record<string, Uint8Array>
  readonly json: string
} {
  const filled = (length: number, fill: number): Uint8Array => new Uint8Array(length).fill(fill)
  const owner = {
    protocol: 1,
    endpoint: '/run/user/1000/secret-store/EhISEhISEhISEhISEhISEg',
    pid: 4241,
    machine: '4a0ce1f6-7e0c-4a2b-9d3e-0f6a1b2c3d4e pid:[4026531836]',
    directory: '66306:1311234',
  }
  const { endpoint } = owner
  const keyring = new Keyring(file, rootKey, (length) => filled(length, 0x44))
  const key = keyring.channelKey()
  const nonces = { follower: filled(32, 0x11), owner: filled(32, 0x22) }
  const context = concat(nonces.follower, nonces.owner, utf8(endpoint))
  const seals = {
    follower: new ChannelSeal('follower', { key, endpoint }, nonces, nobleAead),
    owner: new ChannelSeal('owner', { key, endpoint }, nonces, nobleAead),
  }
  const request = encodeRequest(1, { type: 'meet', pid: 4242 })
  const peers = [
    { pid: 4241, owner: true },
    { pid: 4242, owner: false },
  ]
  const answer = encodeAnswer(1, { type: 'value', value: utf8(JSON.stringify(peers)) })
  const last = Uint8Array.of(1)
  const sessionKey = concat(Uint8Array.of(ROW.session), filled(16, 0x33))
  return {
    hex: {
      'channel-key': key,
      hello: encodeHello(nonces.follower),
      'owner-proof': proofOf('owner', { key, endpoint }, nonces),
      'follower-proof': proofOf('follower', { key, endpoint }, nonces),
      'channel-owner-key': derive(key, LABEL.channelOwner, context),
      'channel-follower-key': derive(key, LABEL.channelFollower, context),
      'meet-request': request.slice(),
      'meet-request-frame': seals.follower.seal(concat(last, request)),
      'meet-answer': answer.slice(),
      'meet-answer-frame': seals.owner.seal(concat(last, answer)),
      'session-row-key': sessionKey,
      'session-row': encodeSession(86_400_000, headValue),
    },
    json: `${JSON.stringify(owner, null, 2)}\n`,
  }
}

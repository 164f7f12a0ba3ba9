import type { FindParams, ListParams, SetParams, TargetParams } from '../../input/params'
import { parseFind, parseList, parseTarget } from '../../input/params'
import type { Secret, SecretList } from '../../model'
import type { SecretView } from '../../view'
import type { BridgeCall, BridgeVerb } from './channel'

type Run = (view: SecretView, params: never) => Promise<unknown>

export interface Call {
  readonly verb: BridgeVerb
  /** Of what has to wait for its turn: so that it is small while it waits. */
  readonly check?: (params: unknown) => unknown
  readonly run: Run
}

/** In characters; what Electron would copy several times over. */
const MOST_LISTED_PAYLOAD: number = 64 * 1024 * 1024

const parseText = (params: unknown): unknown => parseTarget(params, 'get')
const parseBytes = (params: unknown): unknown => parseTarget(params, 'getBytes')

export const CALLS: ReadonlyMap<unknown, Call> = new Map([
  ['find', { verb: 'find', check: parseFind, run: (view, params: FindParams) => view.find(params) }],
  ['list', { verb: 'list', check: parseList, run: (view, params: ListParams) => list(view, params) }],
  ['get', { verb: 'get', check: parseText, run: (view, params: TargetParams) => view.get(params) }],
  ['getBytes', { verb: 'get', check: parseBytes, run: (view, params: TargetParams) => view.getBytes(params) }],
  ['set', { verb: 'set', run: (view, params: SetParams) => view.set(params) }],
  ['delete', { verb: 'delete', run: (view, params: FindParams) => view.delete(params) }],
] satisfies [BridgeCall, Call][])

/** Payloads one after the other, those of the page alone: all that a scope holds could be of any size. */
async function list(view: SecretView, params: ListParams): Promise<SecretList> {
  if (!parseList(params).expandPayload) return view.list(params)
  const { expand: _, ...unexpanded } = params
  const page = await view.list(unexpanded)
  const data: Secret[] = []
  let left = MOST_LISTED_PAYLOAD
  for (const { scope, name } of page.data) {
    const secret = await view.find({ scope, name, expand: ['payload'] })
    if (secret === undefined) continue // deleted meanwhile
    left -= secret.payload?.length ?? 0
    if (left < 0) {
      const most = `at most ${MOST_LISTED_PAYLOAD} characters of payload on a page`
      throw new RangeError(`list: expected ${most}, got more (use a lower limit)`)
    }
    data.push(secret)
  }
  return { ...page, data }
}

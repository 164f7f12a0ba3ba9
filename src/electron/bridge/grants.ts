import { checkFunction, checkText, optionsOf } from '../../base/checks'
import { MAX_CHARACTERS } from '../../format/constants'
import { parseScope } from '../../input/params'
import { type Scope, sameScope } from '../../model'
import { restrict, SecretView } from '../../view'
import type { BridgeVerb } from './channel'
import type { Sender, WebContents, WebFrame } from './sender'

/** What some pages may do. All of it has to be said: nothing is allowed that is not in it. */
export interface Grant {
  /**
   * Pages of this origin, to the letter as the frame has it: `https://app.example`, or `app://notes` if the app has
   * registered `app:` as a standard scheme. Plain `http:` only of this machine. Files take `page`.
   */
  readonly origin?: string
  /**
   * In place of `origin`: this page alone, as a URL without query and fragment, such as
   * `pathToFileURL('index.html').href`. An origin of the app's own protects better (docs/electron.md).
   */
  readonly page?: string
  /** `'all'`: also frames within it, if all around them is of its origin; not for files. @defaultValue `'main'` */
  readonly frames?: 'main' | 'all'
  /** A further condition, such as which window it is. It can only narrow. @defaultValue none */
  readonly when?: (sender: { readonly frame: WebFrame; readonly webContents: WebContents }) => boolean
  /** Which account, mode and user are meant. @defaultValue the store itself */
  readonly view?: SecretView
  /** `find` and `list` leave payloads out; to expand them takes `get` as well. `watch`: change events. */
  readonly verbs: readonly BridgeVerb[] | 'all'
  /** The scopes that it is about. */
  readonly scopes: readonly Scope[] | 'all'
  /** Names, and beginnings of names. */
  readonly names: readonly (string | { readonly prefix: string })[] | 'all'
}

/** A grant that was checked: to whom, and what. */
export interface Access {
  readonly place: Place
  matches(sender: Sender): boolean
  allows(verb: BridgeVerb): boolean
  /** Restricted to the scopes and names. */
  readonly view: SecretView
}

/** Which frames are meant. */
interface Place {
  readonly origin: string
  readonly page: string | undefined
  readonly frames: 'main' | 'all'
  readonly isConditional: boolean
}

const VERBS: readonly BridgeVerb[] = ['find', 'list', 'get', 'set', 'delete', 'watch']
/** The origin of every file, whatever host its URL names. */
const FILES = 'file://'
const LOCAL_HOST = /^((.+\.)?localhost|127(\.\d+){3}|\[::1\])$/
const GRANT_FIELDS = ['origin', 'page', 'frames', 'when', 'view', 'verbs', 'scopes', 'names'] as const

/** @throws {TypeError} On what is no list of grants, or would grant more than it says. */
export function parseGrants(grants: unknown, store: SecretView): Access[] {
  if (!Array.isArray(grants)) throw new TypeError('allow: expected an array of grants, got something else')
  const parsed = grants.map((grant: unknown) => parseGrant(grant as Grant, store))
  for (const [index, { place }] of parsed.entries()) {
    if (parsed.slice(0, index).some((earlier) => covers(earlier.place, place))) {
      throw new TypeError(`allow[${index}]: expected pages that no grant before it takes, got one that never counts`)
    }
  }
  return parsed
}

function covers(earlier: Place, later: Place): boolean {
  return (
    !earlier.isConditional &&
    earlier.origin === later.origin &&
    (earlier.page === undefined || earlier.page === later.page) &&
    (earlier.frames === 'all' || later.frames === 'main')
  )
}

function parseGrant(grant: Grant, store: SecretView): Access {
  const given = optionsOf<Grant>(grant, 'allow', GRANT_FIELDS)
  const { origin, page, frames = 'main', when, view = store, verbs, scopes, names } = given
  if (frames !== 'main' && frames !== 'all') throw new TypeError("allow frames: expected 'main' or 'all', got another")
  if (when !== undefined) checkFunction(when, 'allow when')
  const place: Place = { ...parsePlace(origin, page), frames, isConditional: when !== undefined }
  if (frames === 'all' && place.origin === FILES) {
    throw new TypeError("allow frames: expected 'main' for a file, which any other file can have as a frame, got 'all'")
  }
  if (!(view instanceof SecretView)) throw new TypeError('allow view: expected a view of a store, got something else')
  const allowedVerbs = listOf(verbs, 'verbs')?.map(checkVerb)
  const allowedScopes = listOf(scopes, 'scopes')?.map(parseScope)
  const allowedNames = listOf(names, 'names')?.map(parseName)
  return {
    place,
    matches: (sender) => isIn(place, sender) && (when === undefined || when(sender) === true),
    allows: (verb) => allowedVerbs?.includes(verb) ?? true,
    view: restrict(view, {
      allowsScope: (scope) => allowedScopes?.some((allowed) => sameScope(allowed, scope)) ?? true,
      allowsName: (name) => allowedNames?.some((isAllowed) => isAllowed(name)) ?? true,
    }),
  }
}

function isIn({ origin, page, frames }: Place, sender: Sender): boolean {
  return (
    sender.origin === origin &&
    (page === undefined || (sender.page === page && sender.loadedAs === page)) &&
    (sender.isMainFrame || (frames === 'all' && sender.isAmongItsOwn))
  )
}

function parsePlace(origin: string | undefined, page: string | undefined): Pick<Place, 'origin' | 'page'> {
  if ((origin === undefined) === (page === undefined)) {
    throw new TypeError('allow: expected either an origin or a page, got both or neither')
  }
  const label = origin === undefined ? 'allow page' : 'allow origin'
  const text = checkText(origin ?? page, label, MAX_CHARACTERS)
  const url = URL.canParse(text) ? new URL(text) : undefined
  const itsOrigin = url && (url.protocol === 'file:' ? FILES : `${url.protocol}//${url.host}`)
  if (url?.protocol === 'http:' && !LOCAL_HOST.test(url.hostname)) {
    throw new TypeError(`${label}: expected https:, or a host of this machine, got http:`)
  }
  if (page !== undefined) {
    if (itsOrigin === undefined || url?.href !== page || url.search !== '' || url.hash !== '') {
      throw new TypeError('allow page: expected a URL as browsers write it, without query and fragment, got another')
    }
    return { origin: itsOrigin, page }
  }
  if (itsOrigin === undefined || itsOrigin !== origin || itsOrigin === FILES || /^$|\*/.test(url?.host ?? '')) {
    throw new TypeError(
      "allow origin: expected one such as 'https://app.example' or 'app://notes' (for files, a page), got another",
    )
  }
  return { origin: itsOrigin, page }
}

function listOf<T>(value: readonly T[] | 'all', label: string): readonly T[] | undefined {
  if (value === 'all') return undefined
  if (!Array.isArray(value)) throw new TypeError(`allow ${label}: expected an array or 'all', got something else`)
  return value
}

function checkVerb(verb: BridgeVerb): BridgeVerb {
  if (!VERBS.includes(verb)) throw new TypeError(`allow verbs: expected some of ${VERBS.join(', ')}, got another`)
  return verb
}

function parseName(name: string | { readonly prefix: string }): (name: string) => boolean {
  if (typeof name === 'string') {
    checkText(name, 'allow names', MAX_CHARACTERS)
    return (asked) => asked === name
  }
  const { prefix } = optionsOf<{ readonly prefix: string }>(name, 'allow names', ['prefix'])
  checkText(prefix, 'allow names prefix', MAX_CHARACTERS)
  return (asked) => asked.startsWith(prefix)
}

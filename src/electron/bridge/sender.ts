/** What is used of Electron's `WebFrameMain`. */
export interface WebFrame {
  readonly url: string
  readonly origin: string
  /** `null` for the main frame of a page. */
  readonly parent: WebFrame | null
  readonly detached?: boolean
  isDestroyed?(): boolean
}

/** What is used of Electron's `WebContents`. */
export interface WebContents {
  readonly id: number
}

/** What is used of Electron's `MessagePortMain`. */
export interface MessagePortMain {
  on(event: 'close', listener: () => void): unknown
  postMessage(message: unknown): void
  start(): void
  close(): void
}

/** What is used of the event that comes with a call. */
export interface InvokeEvent {
  readonly sender: WebContents
  readonly senderFrame: WebFrame | null
}

/** What is used of the event that comes with a message. */
export interface MessageEvent extends InvokeEvent {
  /** `undefined` if it was sent by other means than `postMessage`. */
  readonly ports?: readonly MessagePortMain[]
}

/** Who has sent a message, as the browser process knows it. */
export interface Sender {
  readonly frame: WebFrame
  readonly webContents: WebContents
  readonly origin: string
  /** Its URL without query and fragment. */
  readonly page: string
  /**
   * What its preload script says that `page` was when the document was loaded. `history.pushState` changes the URL, and
   * of files to that of any other file. A broken renderer can say here what it likes, so that this may only narrow.
   */
  readonly loadedAs: string | undefined
  readonly isMainFrame: boolean
  /** Whether every frame around it is of the same origin. */
  readonly isAmongItsOwn: boolean
}

/** @returns `undefined` if the frame is gone, or has no origin of its own. */
export function senderOf(event: InvokeEvent, loadedAs: unknown): Sender | undefined {
  const frame = frameOf(event)
  return frame && senderIn(frame, event.sender, typeof loadedAs === 'string' ? withoutQuery(loadedAs) : undefined)
}

/** @returns `undefined` if it is gone. */
export function frameOf(event: InvokeEvent): WebFrame | undefined {
  try {
    return event.senderFrame ?? undefined
  } catch {
    return undefined
  }
}

/** The page that is in a frame now. */
export function senderIn(frame: WebFrame, webContents: WebContents, loadedAs: string | undefined): Sender | undefined {
  try {
    // A frame that was closed or exchanged throws, or says so.
    if (frame.isDestroyed?.() === true || frame.detached === true) return undefined
    const { url, origin, parent } = frame
    if (typeof origin !== 'string' || origin === '' || origin === 'null') return undefined
    let isAmongItsOwn = true
    for (let around = parent; around !== null; around = around.parent) isAmongItsOwn &&= around.origin === origin
    const isMainFrame = parent === null
    return { frame, webContents, origin, page: withoutQuery(url), loadedAs, isMainFrame, isAmongItsOwn }
  } catch {
    return undefined
  }
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}

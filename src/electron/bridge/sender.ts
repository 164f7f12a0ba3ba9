/** What is used of Electron's `WebFrameMain`. */
export interface WebFrame {
  /** The URL that the frame shows now. */
  readonly url: string
  /** Such as `https://app.example`. */
  readonly origin: string
  /** `null` for the main frame of a page. */
  readonly parent: WebFrame | null
  /** Whether the frame was removed, or shows another page by now. */
  readonly detached?: boolean
  /** Whether the frame is gone. */
  isDestroyed?(): boolean
}

/** What is used of Electron's `WebContents`. */
export interface WebContents {
  /** A number of the app run, never used twice. */
  readonly id: number
}

/** What is used of Electron's `MessagePortMain`. */
export interface MessagePortMain {
  /** Tells when the other end is closed. */
  on(event: 'close', listener: () => void): unknown
  /** Sends a message to the other end. */
  postMessage(message: unknown): void
  /** Begins to deliver messages. */
  start(): void
  /** Ends it at both ends. */
  close(): void
}

/** What is used of the event that comes with a call. */
export interface InvokeEvent {
  /** The window, or whatever shows the page. */
  readonly sender: WebContents
  /** The frame that has sent it; `null` if that is gone. */
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
  /** `page` as it was loaded, says its preload script, so it may only narrow: `history.pushState` changes URLs. */
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

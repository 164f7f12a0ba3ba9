/** What is used of Electron's `WebFrameMain`. */
export interface WebFrame {
  /** The URL that the frame shows now. */
  readonly url: string
  /** Such as `https://app.example`. */
  readonly origin: string
  /** `null` for the main frame of a page. */
  readonly parent: WebFrame | null
  /**
   * Whether the page was removed from its frame, as while its `unload` runs. Electron 33 says so for ever of a frame
   * whose renderer has crashed.
   */
  readonly detached?: boolean
  /** The frame itself and all below it. */
  readonly framesInSubtree?: readonly WebFrame[]
  /** The process that shows the page. */
  readonly processId?: number
  /** Of the page's frame, within that process. */
  readonly routingId?: number
  /** Whether the frame is gone. */
  isDestroyed?(): boolean
}

/** What is used of Electron's `WebContents`. */
export interface WebContents {
  /** A number of the app run, never used twice. */
  readonly id: number
  /** The outermost frame of what is shown. */
  readonly mainFrame?: WebFrame
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
  /** Where Chromium runs the page. A frame may go on elsewhere, with another page. */
  readonly host: string
  readonly origin: string
  /** Its URL without query and fragment. */
  readonly page: string
  /** `page` as it was loaded, says its preload script, so it may only narrow: `history.pushState` changes URLs. */
  readonly loadedAs: string | undefined
  readonly isMainFrame: boolean
  /** Whether every frame around it is of the same origin. */
  readonly isAmongItsOwn: boolean
}

/**
 * Asks the event for its frame. Electron looks for the frame at each question, and warns once it is gone, so ask when
 * the message comes and not later.
 *
 * @returns `undefined` if it is gone.
 */
export function frameOf(event: InvokeEvent): WebFrame | undefined {
  try {
    return event.senderFrame ?? undefined
  } catch {
    return undefined
  }
}

/** The page that is in a frame now. @returns `undefined` if the frame is gone, or has no origin of its own. */
export function senderIn(frame: WebFrame, webContents: WebContents, loadedAs: unknown): Sender | undefined {
  try {
    if (isGone(frame, webContents)) return undefined
    const { url, origin, parent, processId, routingId } = frame
    if (typeof origin !== 'string' || origin === '' || origin === 'null') return undefined
    let isAmongItsOwn = true
    for (let around = parent; around !== null; around = around.parent) isAmongItsOwn &&= around.origin === origin
    return {
      frame,
      webContents,
      host: `${processId} ${routingId}`,
      origin,
      page: withoutQuery(url),
      loadedAs: typeof loadedAs === 'string' ? withoutQuery(loadedAs) : undefined,
      isMainFrame: parent === null,
      isAmongItsOwn,
    }
  } catch {
    // So says a frame that was closed meanwhile, and a window that was.
    return undefined
  }
}

/** A page that runs its `unload` is `detached`, and outside of the tree; a frame that came back after a crash is within. */
function isGone(frame: WebFrame, { mainFrame }: WebContents): boolean {
  if (frame.isDestroyed?.() === true) return true
  return frame.detached === true && mainFrame?.framesInSubtree?.includes(frame) !== true
}

function withoutQuery(url: string): string {
  return url.replace(/[?#].*$/s, '')
}

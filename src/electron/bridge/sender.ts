/** What is used of Electron's `WebFrameMain`. */
export interface WebFrame {
  readonly url: string
  readonly origin: string
  /** `null` for the main frame of a page. */
  readonly parent: WebFrame | null
  readonly detached?: boolean
  isDestroyed?(): boolean
  send(channel: string, ...args: unknown[]): void
}

/** What is used of Electron's `WebContents`. */
export interface WebContents {
  readonly id: number
}

/** What is used of the event that comes with a message. */
export interface InvokeEvent {
  readonly sender: WebContents
  readonly senderFrame: WebFrame | null
}

/** Who has sent a message, as the browser process knows it. */
export interface Sender {
  readonly frame: WebFrame
  readonly webContents: WebContents
  readonly origin: string
  /** Its URL without query and fragment. */
  readonly page: string
  readonly isMainFrame: boolean
}

/** @returns `undefined` if the frame is gone, or has no origin of its own. */
export function senderOf({ sender: webContents, senderFrame }: InvokeEvent): Sender | undefined {
  return senderFrame === null ? undefined : senderIn(senderFrame, webContents)
}

/** The page that is in a frame now. */
export function senderIn(frame: WebFrame, webContents: WebContents): Sender | undefined {
  try {
    // A frame that was closed or exchanged throws, or says so.
    if (frame.isDestroyed?.() === true || frame.detached === true) return undefined
    const { url, origin, parent } = frame
    if (typeof origin !== 'string' || origin === '' || origin === 'null') return undefined
    return { frame, webContents, origin, page: url.replace(/[?#].*$/s, ''), isMainFrame: parent === null }
  } catch {
    return undefined
  }
}

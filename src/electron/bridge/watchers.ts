import type { ChangeEvent } from '../../model'
import type { SecretView } from '../../view'
import { CHANGE_CHANNEL } from './channel'
import type { Access } from './grants'
import { type Sender, senderIn } from './sender'

/** The pages that want to hear of changes. Whether they may is asked again at each. */
export class Watchers {
  readonly #senders = new Map<object, Sender>()
  readonly #accessOf: (sender: Sender) => Access | undefined
  readonly #views: readonly SecretView[]
  #stops: (() => void)[] = []

  constructor(grants: readonly Access[], accessOf: (sender: Sender) => Access | undefined) {
    this.#views = grants.filter((grant) => grant.allows('watch')).map(({ view }) => view)
    this.#accessOf = accessOf
  }

  set(sender: Sender, watching: boolean): void {
    if (watching) this.#senders.set(sender.frame, sender)
    else this.#senders.delete(sender.frame)
    if (this.#senders.size === 0) this.close()
    else if (this.#stops.length === 0) {
      this.#stops = this.#views.map((view) => view.on('change', (change) => this.#tell(view, change)))
    }
  }

  close(): void {
    for (const stop of this.#stops.splice(0)) stop()
    this.#senders.clear()
  }

  #tell(view: SecretView, change: ChangeEvent): void {
    for (const [frame, { webContents, frame: webFrame }] of this.#senders) {
      try {
        const now = senderIn(webFrame, webContents)
        const access = now && this.#accessOf(now)
        if (access?.allows('watch') !== true) this.#senders.delete(frame)
        else if (access.view === view) webFrame.send(CHANGE_CHANNEL, change)
      } catch {
        this.#senders.delete(frame) // it has gone in this moment
      }
    }
  }
}

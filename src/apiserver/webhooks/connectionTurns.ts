/**
 * Who may go to one webhook without a connection of their own yet. A burst of writes would open as many connections as there are
 * writes, and the handshakes, milliseconds of computing on both sides, would all end together, after the webhook's time is over.
 * So few are made at once; who waits takes the first connection that comes free, or a new one after a moment. How many there are
 * in the end is not limited here, for a slow webhook takes one for each write; but while this process is busy, more would not help.
 */
import type { ClientRequest } from 'node:http'
import type { Clock } from '../../base/clock.ts'

const HANDSHAKES_MAX = 8
/** How long to wait for a connection that comes free. */
const PATIENCE_MS = 10
/** A timer that comes later than this tells of a busy process. */
const BUSY_MS = 10

export class ConnectionTurns {
  readonly #clock: Clock
  #connecting = 0
  readonly #waiting = new Set<() => void>()
  #cancelTick: (() => void) | undefined
  /** Since the last look, a connection has come free. */
  #flows = false

  constructor(clock: Clock) {
    this.#clock = clock
  }

  /** Nobody goes there, and nobody waits. */
  get isIdle(): boolean {
    return this.#connecting === 0 && this.#waiting.size === 0
  }

  /** Resolves when it is the caller's turn, or at once when the signal aborts; `opened` or `skipped` is to be called next. */
  async take(signal: AbortSignal): Promise<void> {
    if (!signal.aborted && (this.#connecting >= HANDSHAKES_MAX || this.#waiting.size > 0)) {
      const { promise, resolve } = Promise.withResolvers<void>()
      this.#waiting.add(resolve)
      signal.addEventListener('abort', () => resolve(), { once: true })
      this.#growLater()
      await promise
      this.#waiting.delete(resolve)
    }
    this.#connecting++
  }

  /** The turn ends when the request has its connection, or none. */
  opened(request: ClientRequest): void {
    let isOver = false
    const end = (): void => {
      if (!isOver) this.#connecting--
      isOver = true
    }
    request.once('close', end)
    request.once('socket', (socket) => {
      if (!request.reusedSocket) return void socket.once('secureConnect', end).once('close', end)
      end()
      // There may be more of them.
      this.#wakeOne()
    })
  }

  skipped(): void {
    this.#connecting--
    this.#wakeOne()
  }

  /** A connection has come free: it is among the agent's idle ones once the current events are through. */
  freed(): void {
    if (this.#waiting.size === 0) return
    this.#flows = true
    setImmediate(() => this.#wakeOne())
  }

  #growLater(): void {
    if (this.#cancelTick) return
    const dueMs = this.#clock.now() + PATIENCE_MS
    this.#cancelTick = this.#clock.after(PATIENCE_MS, () => {
      this.#cancelTick = undefined
      const isBusy = this.#clock.now() - dueMs > BUSY_MS
      const more = Math.min(HANDSHAKES_MAX - this.#connecting, isBusy || this.#flows ? 1 : HANDSHAKES_MAX)
      this.#flows = false
      for (let i = 0; i < more; i++) this.#wakeOne()
      if (this.#waiting.size > 0) this.#growLater()
    })
  }

  #wakeOne(): void {
    const [first] = this.#waiting
    if (!first) return
    this.#waiting.delete(first)
    first()
  }
}

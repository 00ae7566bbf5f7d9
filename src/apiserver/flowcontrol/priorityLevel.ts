/**
 * One priority level: its seats, and the queues of what waits for them. Between queues it is start-time fair: each has a
 * virtual time that grows by the work that it was given, and the queue that is furthest behind goes next, so that a flow
 * that sends much waits behind itself. Nothing is queued, nor any queue looked for, as long as there are seats to spare.
 */
import type { Clock } from '../../base/clock.ts'
import { dealHand } from './shuffle.ts'
import type { Occupancy, SeatLimits } from './seats.ts'

export type RejectReason = 'queue-full' | 'concurrency-limit' | 'time-out' | 'cancelled'

export class RejectedError extends Error {
  readonly reason: RejectReason

  constructor(reason: RejectReason) {
    super(`rejected: ${reason}`)
    this.reason = reason
  }
}

export interface Queuing {
  queues: number
  handSize: number
  queueLengthLimit: number
}

export interface LevelConfiguration extends SeatLimits {
  /** Undefined where requests that find no seat are refused. */
  queuing?: Queuing
  exempt: boolean
}

export interface Ticket {
  /** Gives the seats back, once. */
  release(): void
}

interface Waiting {
  seats: number
  start: () => void
  cancelled: boolean
}

/** What has become of requests, and how many are served now. */
export interface LevelCounts {
  executing: number
  dispatched: number
  rejected: number
  timedOut: number
  cancelled: number
}

export interface QueueState {
  readonly waiting: readonly unknown[]
  readonly executing: number
  readonly executingSeats: number
  readonly waitingSeats: number
  /** Virtual, in milliseconds of seats. */
  readonly nextStart: number
}

const COUNTED: Readonly<Record<RejectReason, 'rejected' | 'timedOut' | 'cancelled'>> = {
  'queue-full': 'rejected',
  'concurrency-limit': 'rejected',
  'time-out': 'timedOut',
  cancelled: 'cancelled',
}

class Queue implements QueueState {
  readonly waiting: Waiting[] = []
  waitingSeats = 0
  executing = 0
  executingSeats = 0
  /** The virtual time at which its next request begins. */
  nextStart = 0
}

/** What a request is taken to cost until it is known, in milliseconds. */
export const ESTIMATED_MS = 3

export interface PriorityLevelOptions {
  name: string
  configuration: LevelConfiguration
  /** Whether so many seats beyond the nominal share are free elsewhere. */
  mayBorrow: (seats: number) => boolean
  /** Seats were given back: other levels may have use for them. */
  onFree: () => void
  waitLimitMs: number
  clock: Clock
}

export class PriorityLevel implements Occupancy {
  readonly name: string
  readonly #options: PriorityLevelOptions
  #configuration: LevelConfiguration
  #queues: Queue[] = []
  #virtual = 0
  readonly counts: LevelCounts = { executing: 0, dispatched: 0, rejected: 0, timedOut: 0, cancelled: 0 }
  used = 0
  waiting = 0

  constructor(options: PriorityLevelOptions) {
    this.name = options.name
    this.#options = options
    this.#configuration = options.configuration
  }

  get nominal(): number {
    return this.#configuration.nominal
  }

  get lower(): number {
    return this.#configuration.lower
  }

  get upper(): number {
    return this.#configuration.upper
  }

  /** None as long as nothing had to be put into one. */
  get queues(): readonly QueueState[] {
    return this.#queues
  }

  get exempt(): boolean {
    return this.#configuration.exempt
  }

  configure(configuration: LevelConfiguration): void {
    const { queuing } = this.#configuration
    this.#configuration = configuration
    if (queuing?.queues !== configuration.queuing?.queues && this.waiting === 0) this.#queues = []
    this.dispatch()
  }

  /** Throws, or rejects, with a RejectedError. `onGone` calls back when nobody waits for the answer any more. */
  enter(flowHash: () => number, seats: number, onGone: (callback: () => void) => void): Ticket | Promise<Ticket> {
    const { queuing, exempt } = this.#configuration
    if (exempt) return this.#ticket(seats, undefined)
    // With half of its seats free nobody can be treated unfairly.
    if (this.waiting === 0 && (this.used + seats) * 2 <= this.nominal) return this.#ticket(seats, undefined)
    if (!queuing) {
      if (this.#mayStart(seats)) return this.#ticket(seats, undefined)
      throw this.#reject('concurrency-limit')
    }
    const queue = this.#queueFor(flowHash(), queuing)
    if (!queue) throw this.#reject('queue-full')
    if (queue.waiting.length === 0 && queue.executingSeats === 0) queue.nextStart = Math.max(queue.nextStart, this.#virtual)
    if (this.waiting === 0 && this.#mayStart(seats)) return this.#begin(queue, seats)
    return this.#wait(queue, seats, onGone)
  }

  /** Starts what waits as long as there are seats. */
  dispatch(): void {
    while (this.waiting > 0) {
      const queue = this.#next()
      const head = queue.waiting[0] as Waiting
      if (!this.#mayStart(head.seats)) return
      this.#remove(queue, head)
      head.start()
    }
  }

  #mayStart(seats: number): boolean {
    if (this.used + seats <= this.nominal) return true
    const { mayBorrow } = this.#options
    if (mayBorrow(seats)) return true
    // A request that is wider than the level runs alone. Where there is no seat at all, what can wait does, in vain.
    return this.used === 0 && (this.nominal > 0 || !this.#configuration.queuing || mayBorrow(1))
  }

  /** Of the flow's queues the one with the least in it; undefined where all are full. */
  #queueFor(hash: number, { queues, handSize, queueLengthLimit }: Queuing): Queue | undefined {
    if (this.#queues.length === 0) this.#queues = Array.from({ length: queues }, () => new Queue())
    let best: Queue | undefined
    for (const card of dealHand(hash, this.#queues.length, handSize)) {
      const queue = this.#queues[card] as Queue
      if (queue.waiting.length >= queueLengthLimit) continue
      if (!best || queue.waitingSeats + queue.executingSeats < best.waitingSeats + best.executingSeats) best = queue
    }
    return best
  }

  #next(): Queue {
    let next: Queue | undefined
    for (const queue of this.#queues) {
      const head = queue.waiting[0]
      if (!head) continue
      const finish = queue.nextStart + head.seats * ESTIMATED_MS
      if (!next || finish < next.nextStart + (next.waiting[0] as Waiting).seats * ESTIMATED_MS) next = queue
    }
    return next as Queue
  }

  #begin(queue: Queue, seats: number): Ticket {
    this.#virtual = Math.max(this.#virtual, queue.nextStart)
    queue.nextStart += seats * ESTIMATED_MS
    queue.executing++
    queue.executingSeats += seats
    return this.#ticket(seats, queue)
  }

  #ticket(seats: number, queue: Queue | undefined): Ticket {
    const { clock, onFree } = this.#options
    const startMs = queue ? clock.now() : 0
    let held = true
    this.used += seats
    this.counts.executing++
    this.counts.dispatched++
    return {
      release: () => {
        if (!held) return
        held = false
        this.used -= seats
        this.counts.executing--
        if (queue) {
          queue.executing--
          queue.executingSeats -= seats
          queue.nextStart += seats * (clock.now() - startMs - ESTIMATED_MS)
        }
        onFree()
      },
    }
  }

  #wait(queue: Queue, seats: number, onGone: (callback: () => void) => void): Promise<Ticket> {
    return new Promise((resolve, reject) => {
      const entry: Waiting = {
        seats,
        cancelled: false,
        start: () => {
          cancelTimer()
          resolve(this.#begin(queue, seats))
        },
      }
      const give = (reason: RejectReason): void => {
        if (entry.cancelled || !queue.waiting.includes(entry)) return
        entry.cancelled = true
        cancelTimer()
        this.#remove(queue, entry)
        reject(this.#reject(reason))
      }
      const cancelTimer = this.#options.clock.after(this.#options.waitLimitMs, () => give('time-out'))
      queue.waiting.push(entry)
      queue.waitingSeats += seats
      this.waiting++
      onGone(() => give('cancelled'))
    })
  }

  #remove(queue: Queue, entry: Waiting): void {
    queue.waiting.splice(queue.waiting.indexOf(entry), 1)
    queue.waitingSeats -= entry.seats
    this.waiting--
  }

  #reject(reason: RejectReason): RejectedError {
    this.counts[COUNTED[reason]]++
    return new RejectedError(reason)
  }
}

/**
 * Events that are too large for where they go (upstream's `--audit-log-truncate-…` and `--audit-webhook-truncate-…`): what was
 * sent and answered is left out and an annotation says so; an event that is too large even then is lost.
 */
import type { AuditSink } from './audit.ts'

const ANNOTATION = 'audit.k8s.io/truncated'
/** Each event is written with a line's end. */
const sizeOf = (json: string): number => Buffer.byteLength(json) + 1

interface Event {
  level: string
  requestObject?: unknown
  responseObject?: unknown
  annotations?: Readonly<Record<string, string>>
}

/** The event at the size it may have, undefined where it cannot be had. Pure. */
export function truncated(json: string, maxBytes: number): string | undefined {
  if (sizeOf(json) <= maxBytes) return json
  const { requestObject: _request, responseObject: _response, annotations, ...event } = JSON.parse(json) as Event
  if (event.level !== 'Request' && event.level !== 'RequestResponse') return undefined
  // Go writes maps in the order of their keys.
  const said = Object.entries({ ...annotations, [ANNOTATION]: 'true' }).toSorted(([a], [b]) => (a < b ? -1 : 1))
  const shorter = JSON.stringify({ ...event, annotations: Object.fromEntries(said) })
  return sizeOf(shorter) <= maxBytes ? shorter : undefined
}

/** In front of another place for events. */
export class TruncatingSink implements AuditSink {
  readonly #sink: AuditSink
  readonly #maxBytes: number
  #tooLarge = 0

  constructor(sink: AuditSink, maxBytes: number) {
    this.#sink = sink
    this.#maxBytes = maxBytes
  }

  get plugin(): AuditSink['plugin'] {
    return this.#sink.plugin
  }

  get written(): number {
    return this.#sink.written
  }

  get lost(): number {
    return this.#sink.lost + this.#tooLarge
  }

  write(json: string): void {
    const event = truncated(json, this.#maxBytes)
    if (event === undefined) this.#tooLarge++
    else this.#sink.write(event)
  }

  close(): Promise<void> {
    return this.#sink.close()
  }
}

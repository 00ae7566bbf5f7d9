/** The engine's event stream, for as long as the signal lets it: reconnected when it breaks, and then everything may have changed. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import { Backoff } from '../../../base/backoff.ts'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { RuntimeEvent } from '../runtime.ts'
import type { Engine } from './engine.ts'
import { KIND_LABEL, POD_UID_LABEL } from './labels.ts'

const RECONNECT_BACKOFF = { baseMs: 50, maxMs: 5_000 }
const TYPES: Readonly<Record<string, RuntimeEvent['type']>> = { start: 'Started', die: 'Died', oom: 'Oom', destroy: 'Removed' }

export interface EventsOptions {
  engine: Engine
  log: Logger
  clock: Clock
  signal: AbortSignal
  onEvent: (event: RuntimeEvent) => void
  onResync: () => void
}

export async function followEvents({ engine, log, clock, signal, onEvent, onResync }: EventsOptions): Promise<void> {
  const backoff = new Backoff(RECONNECT_BACKOFF)
  while (!signal.aborted) {
    try {
      const docker = await engine()
      const stream = (await docker.getEvents({
        filters: { type: ['container'], label: [KIND_LABEL], event: Object.keys(TYPES) },
        abortSignal: signal,
      })) as Readable
      backoff.reset()
      onResync()
      for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
        const event = parseEvent(line)
        if (event) onEvent(event)
      }
      if (!signal.aborted) log.warn('the engine closed its event stream')
    } catch (error) {
      if (signal.aborted) break
      if (backoff.failures === 0) log.warn("the engine's event stream broke", { error: String(error) })
    }
    await clock.sleep(backoff.next(), signal).catch(() => {})
  }
}

export function parseEvent(line: string): RuntimeEvent | undefined {
  if (line.trim() === '') return undefined
  const { Action, Actor } = JSON.parse(line) as { Action?: string; Actor?: { ID?: string; Attributes?: Record<string, string> } }
  const type = TYPES[Action ?? '']
  const podUid = Actor?.Attributes?.[POD_UID_LABEL]
  return type && podUid !== undefined && Actor?.ID ? { type, podUid, containerId: Actor.ID } : undefined
}

/** The engine's event stream, for as long as the connection lasts and the signal lets it. */
import { createInterface } from 'node:readline'
import type { Readable } from 'node:stream'
import type { RuntimeEvent, RuntimeListener } from '../runtime.ts'
import { type Engine, engineMessage } from './engine.ts'
import { POD_UID_LABEL } from './labels.ts'

const TYPES: Readonly<Record<string, RuntimeEvent['type']>> = { start: 'Started', die: 'Died', oom: 'Oom', destroy: 'Removed' }
/** What changes the list of images: those of pulls, loads and builds. */
const IMAGE_ACTIONS: ReadonlySet<string> = new Set(['load', 'import', 'pull', 'tag', 'untag', 'delete'])
/** Those that a person brings; the kubelet only pulls. */
const BY_HAND: ReadonlySet<string> = new Set(['load', 'import'])

/** The list of images has changed; `loaded` is the id of one that a person brought. */
export interface ImagesEvent {
  images: { loaded?: string }
}

interface EngineEvent {
  Type?: string
  Action?: string
  Actor?: { ID?: string; Attributes?: Record<string, string> }
}

/** Resolves when the signal aborts, throws when the connection cannot be made or breaks. */
export async function followEvents(engine: Engine, signal: AbortSignal, listener: RuntimeListener): Promise<void> {
  try {
    const docker = await engine()
    // A filter by label would keep the images' events back.
    const stream = (await docker.getEvents({
      filters: { type: ['container', 'image'], event: [...Object.keys(TYPES), ...IMAGE_ACTIONS] },
      abortSignal: signal,
    })) as Readable
    listener.onConnected()
    for await (const line of createInterface({ input: stream, crlfDelay: Infinity })) {
      const event = parseEvent(line)
      if (event && 'images' in event) listener.onImagesChanged(event.images.loaded)
      else if (event) listener.onEvent(event)
    }
  } catch (error) {
    if (signal.aborted) return
    throw new Error(engineMessage(error), { cause: error })
  }
  if (!signal.aborted) throw new Error('the engine closed its event stream')
}

export function parseEvent(line: string): RuntimeEvent | ImagesEvent | undefined {
  if (line.trim() === '') return undefined
  const { Type, Action, Actor } = JSON.parse(line) as EngineEvent
  if (Type === 'image') {
    if (!IMAGE_ACTIONS.has(Action ?? '')) return undefined
    return { images: BY_HAND.has(Action ?? '') && Actor?.ID ? { loaded: Actor.ID } : {} }
  }
  const type = TYPES[Action ?? '']
  const podUid = Actor?.Attributes?.[POD_UID_LABEL]
  return type && podUid !== undefined && Actor?.ID ? { type, podUid, containerId: Actor.ID } : undefined
}

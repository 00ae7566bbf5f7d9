/** `/debug/api_priority_and_fairness/`: what flow control does at the moment, for people. */
import { dumpPriorityLevels, dumpQueues } from '../flowcontrol/dump.ts'
import type { DumpedLevel } from '../flowcontrol/dump.ts'
import { ESTIMATED_MS } from '../flowcontrol/priorityLevel.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import { send } from './responses.ts'

const PREFIX = '/debug/api_priority_and_fairness/'

export class FlowControlPath implements PathHandler {
  readonly #levels: () => Iterable<DumpedLevel>

  constructor(levels: () => Iterable<DumpedLevel>) {
    this.#levels = levels
  }

  async handle({ exchange, path }: RequestContext): Promise<boolean> {
    if (!path.startsWith(PREFIX)) return false
    const text = this.#dump(path.slice(PREFIX.length))
    if (text === undefined) return false
    await send(exchange, 200, 'text/plain; charset=utf-8', Buffer.from(text))
    return true
  }

  #dump(name: string): string | undefined {
    if (name === 'dump_priority_levels') return dumpPriorityLevels(this.#levels())
    return name === 'dump_queues' ? dumpQueues(this.#levels(), ESTIMATED_MS) : undefined
  }
}

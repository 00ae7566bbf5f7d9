/** What the API server writes by itself, past requests and their authorization. */
import type { ObjectStore } from './objectStore.ts'
import type { ObjectReader } from './reader.ts'
import type { Services } from './services/services.ts'
import type { StrategyContext } from './strategy.ts'

const USER = { name: 'system:apiserver', groups: ['system:masters'], extra: {} }

export interface OwnWritesOptions {
  objects: ObjectStore
  reader: ObjectReader
  services: Services
}

/** For one write: the time is that of the call. */
export function ownWriteContext({ objects, reader, services }: OwnWritesOptions): StrategyContext {
  return { user: USER, verb: 'update', refusal: () => undefined, now: objects.now(), dryRun: false, reader, services, warnings: [] }
}

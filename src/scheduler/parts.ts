/** What the parts of one running scheduler share. */
import type { ComponentContext } from '../base/component.ts'
import type { Pod } from '../api/kinds/core/v1.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import type { SchedulerCache } from './cache.ts'
import type { HttpExtenders } from './extender.ts'
import type { SchedulerMetrics } from './metrics.ts'
import type { Nominator } from './nominator.ts'
import type { Profile } from './profile.ts'
import type { SchedulingQueue } from './queue.ts'

export interface SchedulerParts {
  readonly client: Client
  readonly informers: Informers
  readonly context: ComponentContext
  readonly cache: SchedulerCache
  readonly queue: SchedulingQueue
  readonly nominator: Nominator
  readonly metrics: SchedulerMetrics
  readonly extenders: HttpExtenders | undefined
  profileOf(pod: Pod): Profile | undefined
  /** Who tells events in a profile's name. */
  recorderOf(profile: Profile): EventRecorder
}

/** kube-scheduler as a component: a client of its own, the shared informers, and the configuration that a file gives it. */
import type { Component } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { informersUntil } from '../client/sharedInformer.ts'
import type { SchedulerConfiguration } from '../scheduler/configuration.ts'
import { runScheduler } from '../scheduler/scheduler.ts'

export interface SchedulerComponentOptions {
  client: Client
  informers: Informers
  /** Upstream's defaults unless given. */
  configuration?: SchedulerConfiguration
}

export function schedulerComponent({ client, informers, configuration }: SchedulerComponentOptions): Component {
  return {
    name: 'kube-scheduler',
    run(context) {
      const events = createEventRecorder({ client, component: 'default-scheduler', log: context.log, clock: context.clock })
      const own = informersUntil(context.signal, informers)
      return runScheduler({ client, informers: own, events, ...(configuration && { configuration }) }, context)
    },
  }
}

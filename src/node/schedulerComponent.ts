/** kube-scheduler as a component: a client of its own, the shared informers, and the configuration that a file gives it. */
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'
import type { Component } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import type { EventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { createReportingRecorder } from '../client/reportedEvents.ts'
import { informersUntil } from '../client/sharedInformer.ts'
import { readSchedulerConfiguration, type SchedulerConfiguration } from '../scheduler/configuration/configuration.ts'
import type { SchedulerMetrics } from '../scheduler/metrics.ts'
import { runScheduler } from '../scheduler/scheduler.ts'
import { serveComponent, type ComponentEndpointOptions } from './componentEndpoint.ts'

export interface SchedulerComponentOptions {
  client: Client
  informers: Informers
  /** Upstream's defaults unless given. */
  configuration?: SchedulerConfiguration
  /** Where health and metrics are served; nowhere unless given. */
  endpoint?: ComponentEndpointOptions
}

/** From `scheduler.config`: a file's path, or what the launcher read of a file of its own machine. */
export function schedulerConfigurationOf(option: string): SchedulerConfiguration {
  return readSchedulerConfiguration(option.includes('\n') ? option : readFileSync(option, 'utf8'))
}

export function schedulerComponent({ client, informers, configuration, endpoint }: SchedulerComponentOptions): Component {
  return {
    name: 'kube-scheduler',
    async run(context) {
      const { signal, log, clock } = context
      const recorderFor = (controller: string): EventRecorder =>
        createReportingRecorder({ client, controller, host: hostname(), log, clock, signal })
      let metrics: SchedulerMetrics | undefined
      const server = endpoint && (await serveComponent(endpoint, () => metrics))
      try {
        const options = {
          client,
          informers: informersUntil(signal, informers),
          events: recorderFor('default-scheduler'),
          recorderFor,
          onMetrics: (made: SchedulerMetrics) => void (metrics = made),
          ...(configuration && { configuration }),
        }
        await runScheduler(options, context)
      } finally {
        server?.close()
        server?.closeAllConnections()
      }
    },
  }
}

/** Runs the chosen controllers, each with its own identity for events, all on one set of informers. */
import { aborted } from '../base/abort.ts'
import type { Component } from '../base/component.ts'
import type { Client } from '../client/client.ts'
import type { ComponentMetrics } from '../client/metrics/componentMetrics.ts'
import { createEventRecorder } from '../client/events.ts'
import type { Informers } from '../client/informer.ts'
import { informersUntil } from '../client/sharedInformer.ts'
import { eventSourceOf } from '../controllers/registry.ts'
import type { ControllerFactory } from '../reconcile/controller.ts'
import { runController } from '../reconcile/runController.ts'
import { serveComponent, type ComponentEndpointOptions } from './componentEndpoint.ts'

export interface ControllerComponentOptions {
  name: string
  factories: ReadonlyMap<string, ControllerFactory>
  controllers: readonly string[]
  client: Client
  informers: Informers
  metrics?: ComponentMetrics
  /** Where health and metrics are served; nowhere unless given. */
  endpoint?: ComponentEndpointOptions
}

/** One component for a controller manager: a controller that throws takes its manager along, which is started again. */
export function controllerComponent(options: ControllerComponentOptions): Component {
  const { name, factories, controllers, client, informers, metrics, endpoint } = options
  return {
    name,
    async run(context) {
      const abort = new AbortController()
      const signal = AbortSignal.any([context.signal, abort.signal])
      const server = endpoint && (await serveComponent(endpoint, () => metrics))
      const running = controllers.map(async (controllerName) => {
        const factory = factories.get(controllerName) as ControllerFactory
        const events = createEventRecorder({ client, component: eventSourceOf(controllerName), log: context.log, clock: context.clock })
        const inner = {
          ...context,
          signal,
          client,
          informers: informersUntil(signal, informers),
          events,
          ...(metrics && { queueMetrics: metrics.queues }),
        }
        await runController(factory(inner), inner)
      })
      context.ready()
      try {
        // With none to run it runs as well: it was asked for.
        await Promise.all([aborted(signal), ...running])
      } finally {
        abort.abort()
        server?.close()
        server?.closeAllConnections()
      }
    },
  }
}

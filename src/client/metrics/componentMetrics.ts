/** What a component that works through the API tells of itself: its process, its requests and its work queues. */
import { Registry } from 'prom-client'
import { processMetrics } from './processMetrics.ts'
import { QueueMetrics } from './queueMetrics.ts'
import { RequestMetrics } from './requestMetrics.ts'

export class ComponentMetrics {
  readonly registry = new Registry()
  readonly queues = new QueueMetrics()
  readonly requests: RequestMetrics

  /** `host` is the API server that it asks. */
  constructor(host: string) {
    this.requests = new RequestMetrics(host)
    processMetrics(this.registry)
    this.queues.register(this.registry)
    this.requests.register(this.registry)
  }
}

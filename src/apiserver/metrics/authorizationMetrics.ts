/** Who decided what, and what webhooks had to say: under upstream's names. */
import type { Registry } from 'prom-client'
import { TalliedCounter, TalliedHistogram } from '../../client/metrics/tallies.ts'
import { rowsOnce } from './rows.ts'

const BUCKETS_SECONDS = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10]

export type WebhookResult = 'success' | 'timeout' | 'error'

export class AuthorizationMetrics {
  readonly #decisions = new TalliedCounter({
    name: 'apiserver_authorization_decisions_total',
    help: 'Requests that an authorizer has allowed or denied.',
  })
  readonly #evaluations = new TalliedCounter({
    name: 'apiserver_authorization_webhook_evaluations_total',
    help: 'How often authorization webhooks were asked, by outcome.',
  })
  readonly #failOpen = new TalliedCounter({
    name: 'apiserver_authorization_webhook_evaluations_fail_open_total',
    help: 'How often an authorization webhook could not be asked and others decided.',
  })
  readonly #durations = new TalliedHistogram({
    name: 'apiserver_authorization_webhook_duration_seconds',
    help: 'How long authorization webhooks took.',
    buckets: BUCKETS_SECONDS,
  })
  readonly #exclusions = new TalliedCounter({
    name: 'apiserver_authorization_match_condition_exclusions_total',
    help: 'Requests that the conditions of an authorizer leave out.',
  })
  readonly #decisionsBy = rowsOnce((labels) => this.#decisions.row(labels))
  readonly #evaluationsBy = rowsOnce((labels) => this.#evaluations.row(labels))
  readonly #failOpenBy = rowsOnce((labels) => this.#failOpen.row(labels))
  readonly #durationsBy = rowsOnce((labels) => this.#durations.row(labels))
  readonly #exclusionsBy = rowsOnce((labels) => this.#exclusions.row(labels))

  register(registry: Registry): void {
    for (const metric of [this.#decisions, this.#evaluations, this.#failOpen, this.#durations, this.#exclusions]) metric.register(registry)
  }

  decided(type: string, name: string, decision: 'allowed' | 'denied'): void {
    this.#decisionsBy({ type, name, decision }).add()
  }

  asked(name: string, result: WebhookResult, seconds: number): void {
    this.#evaluationsBy({ name, result }).add()
    this.#durationsBy({ name, result }).observe(seconds)
  }

  failedOpen(name: string, result: WebhookResult): void {
    this.#failOpenBy({ name, result }).add()
  }

  excluded(name: string): void {
    this.#exclusionsBy({ type: 'Webhook', name }).add()
  }
}

/** Who decides what anybody may, by upstream's --authorization-config. */
import { readFileSync, statSync } from 'node:fs'
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { Link } from '../apiserver/authorization/authorization.ts'
import { parseAuthorizationConfiguration } from '../apiserver/authorization/configuration.ts'
import type { AuthorizerConfiguration } from '../apiserver/authorization/configuration.ts'
import { PostError, WebhookAuthorizer } from '../apiserver/authorization/webhook.ts'
import { parseWebhookConfig } from '../apiserver/audit/webhookEndpoint.ts'
import { postJson } from '../apiserver/audit/webhookPost.ts'
import type { AuthorizationMetrics } from '../apiserver/metrics/authorizationMetrics.ts'
import type { Metrics } from '../apiserver/metrics/metrics.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { FollowedFile } from './followedFile.ts'

const USER_AGENT = 'kube-apiserver'

export interface ConfiguredAuthorizers {
  /** The links as they are now; `replace` gets others when the file changes. Throws where a kubeconfig is wrong. */
  authorizers(metrics: AuthorizationMetrics, replace: (chain: readonly Link[]) => void): readonly Link[]
  register(registry: Metrics['registry']): void
  /** Reads the file again until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
}

const read = (path: string): string => readFileSync(path, 'utf8')
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() ?? false

function linkOf(configuration: AuthorizerConfiguration, metrics: AuthorizationMetrics, clock: Clock): Link {
  const { type, name, webhook } = configuration
  if (!webhook) return { type, name }
  const path = webhook.connectionInfo.kubeConfigFile ?? ''
  const found = parseWebhookConfig(read(path), path, read)
  // Clients of upstream's make say how long they wait.
  const url = `${found.url}?timeout=${webhook.timeout}`
  const endpoint = { ...found, url }
  const authorizer = new WebhookAuthorizer({
    configuration: { ...configuration, webhook },
    post: async (body, signal) => {
      const { status, text } = await postJson(endpoint, USER_AGENT, body, signal).catch((cause: Error) => {
        const why = signal.aborted ? 'context deadline exceeded' : cause.message
        throw Object.assign(new Error(`Post "${url}": ${why}`, { cause }), signal.aborted && { name: 'TimeoutError' })
      })
      if (status < 200 || status > 299) throw new PostError(status, text)
      return text
    },
    metrics,
    clock,
  })
  return { type, name, ask: (attributes) => authorizer.authorize(attributes) }
}

/** Undefined where no file says it. Throws a ConfigurationFileError. */
export function configuredAuthorizers(
  flags: ComponentOptions['apiserver'],
  { log, clock }: { log: Logger; clock: Clock },
): ConfiguredAuthorizers | undefined {
  const option = flags['authorization-config']
  if (option === undefined) return undefined
  const file = new FollowedFile({ option, subject: 'authorization', log, clock })
  const first = parseAuthorizationConfiguration(file.text, isFile)
  let take: (text: string) => void = () => {}
  return {
    authorizers(metrics, replace) {
      const chainOf = (all: readonly AuthorizerConfiguration[]): Link[] => all.map((each) => linkOf(each, metrics, clock))
      take = (text) => replace(chainOf(parseAuthorizationConfiguration(text, isFile)))
      return chainOf(first)
    },
    register: (registry) => file.metrics.register(registry),
    follow: (signal) => file.follow((text) => take(text), signal),
  }
}

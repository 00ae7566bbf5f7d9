/** The audit of an API server as its flags ask for it, by upstream's names. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { AUDIT_EVENT_SIZE_BYTES } from '../api/componentOptions.ts'
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import { Audit } from '../apiserver/audit/audit.ts'
import type { AuditSink } from '../apiserver/audit/audit.ts'
import { AuditLog } from '../apiserver/audit/log.ts'
import { parseAuditPolicy } from '../apiserver/audit/policy.ts'
import { TruncatingSink } from '../apiserver/audit/truncation.ts'
import { AuditWebhook } from '../apiserver/audit/webhook.ts'
import type { BatchLimits } from '../apiserver/audit/webhook.ts'
import { parseWebhookConfig } from '../apiserver/audit/webhookEndpoint.ts'
import { postEvents } from '../apiserver/audit/webhookPost.ts'

export interface AuditSettings {
  policyFile: string
  /** `-` is standard output, '' none. */
  logPath: string
  maxSizeMegabytes?: number
  maxBackups?: number
  maxAgeDays?: number
  webhook?: WebhookSettings
}

interface WebhookSettings {
  /** A kubeconfig. */
  configFile: string
  limits: Partial<BatchLimits>
}

/** Undefined where events go to no webhook. Throws for a mode other than upstream's default. */
export function webhookSettings(flags: ComponentOptions['apiserver']): WebhookSettings | undefined {
  const { 'audit-webhook-config-file': configFile, 'audit-webhook-mode': mode = 'batch' } = flags
  if (mode !== 'batch') throw new Error(`audit-webhook-mode must be batch, not ${mode}: no request waits for its event here`)
  if (!configFile) return undefined
  const limits = {
    bufferSize: flags['audit-webhook-batch-buffer-size'],
    maxSize: flags['audit-webhook-batch-max-size'],
    maxWaitMs: flags['audit-webhook-batch-max-wait'],
    throttleEnable: flags['audit-webhook-batch-throttle-enable'],
    throttleQps: flags['audit-webhook-batch-throttle-qps'],
    throttleBurst: flags['audit-webhook-batch-throttle-burst'],
    initialBackoffMs: flags['audit-webhook-initial-backoff'],
  }
  const given = Object.entries(limits).filter(([, limit]) => limit !== undefined)
  return { configFile: resolve(configFile), limits: Object.fromEntries(given) as Partial<BatchLimits> }
}

/** How large an event may be on its way to a place; undefined where nothing bounds it. */
function eventLimit(flags: ComponentOptions['apiserver'], place: 'log' | 'webhook'): number | undefined {
  const eventBytes = flags[`audit-${place}-truncate-max-event-size`] ?? AUDIT_EVENT_SIZE_BYTES
  return flags[`audit-${place}-truncate-enabled`] ? eventBytes : undefined
}

/** Without a policy or without a place to send events to nothing is written down. Throws where the policy or a kubeconfig is wrong. */
export function createAudit(
  settings: AuditSettings,
  flags: ComponentOptions['apiserver'],
  { log, clock }: { log: Logger; clock: Clock },
): Audit | undefined {
  const { policyFile, logPath, webhook, ...limits } = settings
  if (!policyFile || (!logPath && !webhook)) {
    if (policyFile || logPath || webhook) log.warn('audit needs a policy file and a log path or a webhook: nothing is written down')
    return undefined
  }
  const policy = parseAuditPolicy(readFileSync(policyFile, 'utf8'))
  const sinks: AuditSink[] = []
  const add = (sink: AuditSink): void => {
    const limit = eventLimit(flags, sink.plugin)
    sinks.push(limit === undefined ? sink : new TruncatingSink(sink, limit))
  }
  if (logPath) add(new AuditLog({ path: logPath, ...limits, log, clock }))
  if (webhook) {
    const read = (path: string): string => readFileSync(path, 'utf8')
    const endpoint = parseWebhookConfig(read(webhook.configFile), webhook.configFile, read)
    add(new AuditWebhook({ post: (body, signal) => postEvents(endpoint, body, signal), limits: webhook.limits, log, clock }))
  }
  return new Audit({ policy, sinks, clock })
}

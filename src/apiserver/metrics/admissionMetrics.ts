/** What webhooks and policies of admission did, under upstream's names. */
import { Counter, Histogram } from 'prom-client'
import type { Registry } from 'prom-client'
import type { AdmissionObserver } from '../admission/observer.ts'

const WEBHOOK_BUCKETS_SECONDS = [0.005, 0.025, 0.1, 0.5, 1, 2.5, 10, 25]
const POLICY_BUCKETS_SECONDS = [0.0000005, 0.001, 0.01, 0.1, 1]
const ENFORCED = { allow: 'allow', deny: 'deny', warn: 'warn', audit: 'audit' } as const

export function createAdmissionMetrics(registry: Registry): AdmissionObserver {
  const registers = [registry]
  const counter = <Label extends string>(name: string, help: string, labelNames: readonly Label[]): Counter<Label> =>
    new Counter({ name, help, labelNames: [...labelNames], registers })
  const requests = counter('apiserver_admission_webhook_request_total', 'Requests to admission webhooks.', [
    'name',
    'type',
    'operation',
    'code',
    'rejected',
  ])
  const duration = new Histogram({
    name: 'apiserver_admission_webhook_admission_duration_seconds',
    help: 'How long admission webhooks took.',
    labelNames: ['name', 'type', 'operation', 'rejected'],
    buckets: WEBHOOK_BUCKETS_SECONDS,
    registers,
  })
  const rejections = counter('apiserver_admission_webhook_rejection_count', 'Requests refused by admission webhooks.', [
    'name',
    'type',
    'operation',
    'error_type',
    'rejection_code',
  ])
  const failedOpen = counter('apiserver_admission_webhook_fail_open_count', 'Failed webhooks that were left out.', ['name', 'type'])
  const excluded = counter('apiserver_admission_match_condition_exclusions_total', 'Requests left out by match conditions.', [
    'name',
    'kind',
    'type',
    'operation',
  ])
  const checks = { validating: policyMetrics('validating', registry), mutating: policyMetrics('mutating', registry) }
  return {
    webhookCalled({ name, type, operation, code, rejected, seconds }) {
      requests.inc({ name, type, operation, code, rejected: String(rejected) })
      duration.observe({ name, type, operation, rejected: String(rejected) }, seconds)
    },
    webhookRejected: ({ name, type, operation, errorType, code }) =>
      rejections.inc({ name, type, operation, error_type: errorType, rejection_code: code }),
    webhookFailedOpen: (name, type) => failedOpen.inc({ name, type }),
    matchConditionExcluded: (name, kind, type, operation) => excluded.inc({ name, kind, type, operation }),
    policyChecked({ kind, policy, binding, enforcement, errorType, seconds }) {
      const labels = { policy, policy_binding: binding, error_type: errorType, enforcement_action: ENFORCED[enforcement] }
      checks[kind].total.inc(labels)
      checks[kind].seconds.observe(labels, seconds)
    },
  }
}

const POLICY_LABELS = ['policy', 'policy_binding', 'error_type', 'enforcement_action'] as const

function policyMetrics(kind: 'validating' | 'mutating', registry: Registry) {
  const registers = [registry]
  const labelNames = [...POLICY_LABELS]
  const prefix = `apiserver_${kind}_admission_policy_check`
  return {
    total: new Counter({ name: `${prefix}_total`, help: `Checks of ${kind} admission policies.`, labelNames, registers }),
    seconds: new Histogram({
      name: `${prefix}_duration_seconds`,
      help: `How long checks of ${kind} admission policies took.`,
      labelNames,
      buckets: POLICY_BUCKETS_SECONDS,
      registers,
    }),
  }
}

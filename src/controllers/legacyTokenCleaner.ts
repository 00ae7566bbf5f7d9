/**
 * The cleaner of legacy tokens: a token Secret that its ServiceAccount lists (which old clusters made by themselves), that no pod
 * mounts and nobody has used for a year is marked invalid, and deleted when it was not missed for as long again (upstream's
 * legacy-serviceaccount-token-cleaner). The API server notes when a token is used, and since when it does so.
 */
import { configmaps, pods, secrets, serviceaccounts, type Pod, type Secret, type ServiceAccount } from '../api/kinds/core/v1.ts'
import { isConflict, isNotFound } from '../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../reconcile/controller.ts'
import { at } from './ownership.ts'

const TYPE = 'kubernetes.io/service-account-token'
const ACCOUNT_NAME = 'kubernetes.io/service-account.name'
const ACCOUNT_UID = 'kubernetes.io/service-account.uid'
export const LAST_USED = 'kubernetes.io/legacy-token-last-used'
export const INVALID_SINCE = 'kubernetes.io/legacy-token-invalid-since'
const TRACKING = { namespace: 'kube-system', name: 'kube-apiserver-legacy-service-account-token-tracking' }
const ALL = 'all'
const DAY_MS = 86_400_000
const SYNC_PERIOD_MS = DAY_MS
export const CLEAN_UP_PERIOD_MS = 365 * DAY_MS

/** `2026-01-31`, as the labels have it. */
const dateOf = (ms: number): string => new Date(ms).toISOString().slice(0, 10)
const isDate = (text: string | undefined): text is string => /^\d{4}-\d{2}-\d{2}$/.test(text ?? '') && !Number.isNaN(Date.parse(text ?? ''))

/** Names of the Secrets that a pod mounts or reads. */
function secretsOf({ spec }: Pod): string[] {
  const volumes = (spec.volumes ?? []).flatMap(({ secret, projected }) => [
    secret?.secretName,
    ...(projected?.sources ?? []).map((source) => source.secret?.name),
  ])
  const containers = [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])]
  const environment = containers.flatMap(({ env = [], envFrom = [] }) => [
    ...env.map(({ valueFrom }) => valueFrom?.secretKeyRef?.name),
    ...envFrom.map(({ secretRef }) => secretRef?.name),
  ])
  const pull = (spec.imagePullSecrets ?? []).map(({ name }) => name)
  return [...volumes, ...environment, ...pull].filter((name) => name !== undefined)
}

export interface TokenFacts {
  secret: Secret
  account: ServiceAccount | undefined
  /** Whether a pod uses the Secret. */
  isMounted: boolean
}

export function planLegacyToken(
  { secret, account, isMounted }: TokenFacts,
  nowMs: number,
  periodMs: number,
): 'keep' | 'invalidate' | 'delete' {
  const { metadata, type } = secret
  const borderMs = nowMs - periodMs
  if (type !== TYPE || metadata.deletionTimestamp !== undefined || Date.parse(metadata.creationTimestamp) >= borderMs) return 'keep'
  const lastUsed = metadata.labels?.[LAST_USED]
  if (lastUsed !== undefined && (!isDate(lastUsed) || lastUsed >= dateOf(borderMs))) return 'keep'
  const uid = metadata.annotations?.[ACCOUNT_UID]
  const isAutomatic = account?.secrets?.some(({ name }) => name === metadata.name) && (!uid || uid === account.metadata.uid)
  if (!isAutomatic || isMounted) return 'keep'
  const invalidSince = metadata.labels?.[INVALID_SINCE]
  if (!isDate(invalidSince)) return 'invalidate'
  return invalidSince >= dateOf(borderMs) ? 'keep' : 'delete'
}

export function legacyTokenCleanerController(context: ControllerContext, cleanUpPeriodMs = CLEAN_UP_PERIOD_MS): Controller {
  const { client, informers, clock, log } = context
  const selection = { fieldSelector: `type=${TYPE}` }
  const secretInformer = informers.for(secrets, selection)
  const accountInformer = informers.for(serviceaccounts)
  const podInformer = informers.for(pods)

  /** Undefined while nobody notes the use of tokens. */
  async function trackedSinceMs(signal: AbortSignal): Promise<number | undefined> {
    try {
      const { data } = await client.get(configmaps, { ...TRACKING, signal })
      const since = data?.['since']
      return isDate(since) ? Date.parse(since) + DAY_MS : undefined
    } catch (error) {
      if (isNotFound(error)) return undefined
      throw error
    }
  }

  function factsOf(secret: Secret): TokenFacts {
    const { namespace, name, annotations } = secret.metadata
    const account = accountInformer.get(`${namespace}/${annotations?.[ACCOUNT_NAME] ?? ''}`)
    return { secret, account, isMounted: podInformer.list(namespace).some((pod) => secretsOf(pod).includes(name)) }
  }

  async function apply(secret: Secret, signal: AbortSignal): Promise<void> {
    const plan = planLegacyToken(factsOf(secret), clock.now(), cleanUpPeriodMs)
    const { uid, resourceVersion } = secret.metadata
    try {
      if (plan === 'invalidate') {
        const patch = { metadata: { uid, labels: { [INVALID_SINCE]: dateOf(clock.now()) } } }
        await client.patch(secrets, { ...at(secret), type: 'application/merge-patch+json', signal }, patch)
      }
      if (plan === 'delete') await client.delete(secrets, { ...at(secret), signal }, { preconditions: { resourceVersion } })
    } catch (error) {
      if (!isNotFound(error) && !isConflict(error)) throw error
      log.debug('a legacy token changed while it was looked at', { secret: secret.metadata.name })
    }
  }

  return {
    name: 'legacy-serviceaccount-token-cleaner-controller',
    workers: 1,
    watches: [watch(secrets, () => [ALL], selection), watch(serviceaccounts, () => []), watch(pods, () => [])],
    async reconcile(_, signal): Promise<Outcome> {
      // Without any there is nothing to come back for: the next one wakes the controller.
      if (secretInformer.list().length === 0) return
      const sinceMs = await trackedSinceMs(signal)
      if (sinceMs !== undefined && clock.now() >= sinceMs + cleanUpPeriodMs)
        for (const secret of secretInformer.list()) await apply(secret, signal)
      return { requeueAfterMs: SYNC_PERIOD_MS }
    },
  }
}

/**
 * ResourceQuota: a create (or an update that takes more) is charged to the quotas of its namespace before it is stored;
 * the quota controller counts again what really is there. Charges of one namespace are made one after the other.
 */
import { resourcequotas } from '../../api/kinds/core/v1.ts'
import { hasPodLevelResources } from '../../api/quotaUsage.ts'
import { formatQuantity } from '../../api/quantity.ts'
import { nanosOf } from '../../api/validation/quantities.ts'
import { forbid } from './admission.ts'
import { quotaSelects, usageOf } from './quotaUsage.ts'
import type { Container, Pod, ResourceQuota } from '../../api/kinds/core/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'
import type { Usage } from './quotaUsage.ts'

/** Writes the new usage of a quota; false when somebody else wrote it first. */
export type ChargeQuota = (quota: ResourceQuota, used: Record<string, string>) => Promise<boolean>

const CONFLICT_RETRIES = 10
/** Containers have to say these where a quota limits them. */
const COMPUTE = ['cpu', 'memory', 'requests.cpu', 'requests.memory', 'limits.cpu', 'limits.memory']

function format(nanos: bigint, like: string | undefined): string {
  return formatQuantity({ nanos, format: like && /[KMGTPE]i$/.test(like) ? 'BinarySI' : 'DecimalSI' })
}

function missing(request: AdmissionRequest, hard: Readonly<Record<string, string>>): string | undefined {
  if (request.resource.group !== '' || request.resource.resource !== 'pods') return undefined
  const { spec } = request.object as Pod
  // What the pod says for all of its containers is enough.
  if (hasPodLevelResources(spec)) return undefined
  const without = new Map<string, string[]>()
  const says = ({ resources }: Container, name: string): boolean => {
    const limit = name.startsWith('limits.')
    const plain = name.replace(/^(requests|limits)\./, '')
    return (limit ? resources?.limits : resources?.requests)?.[plain] !== undefined
  }
  for (const name of COMPUTE.filter((compute) => compute in hard)) {
    const silent = [...(spec?.containers ?? []), ...(spec?.initContainers ?? [])]
      .filter((container) => !says(container, name))
      .map((c) => c.name)
    if (silent.length > 0) without.set(name, silent)
  }
  if (without.size === 0) return undefined
  return [...without]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, containers]) => `${name} for: ${containers.toSorted().join(',')}`)
    .join('; ')
}

/** What the request takes beyond what the object took before. */
function increase(request: AdmissionRequest, reader: ObjectReader): Usage {
  const after = usageOf(request.resource, request.object as NonNullable<AdmissionRequest['object']>, reader)
  if (!request.oldObject) return after
  const before = usageOf(request.resource, request.oldObject, reader)
  return Object.fromEntries(Object.entries(after).map(([name, value]) => [name, value - (before[name] ?? 0n)]))
}

/** Pods take more by a resize, and come under other quotas when they are given a deadline. */
function isCharged({ operation, namespace, resource, subresource, object, oldObject }: AdmissionRequest): boolean {
  if (!namespace) return false
  const isPod = resource.group === '' && resource.resource === 'pods'
  if (subresource !== '') return isPod && subresource === 'resize' && operation === 'UPDATE'
  if (operation === 'CREATE') return true
  if (operation !== 'UPDATE') return false
  return !isPod || hasDeadline(object as Pod) !== hasDeadline(oldObject as Pod)
}

const hasDeadline = (pod: Pod | undefined): boolean => pod?.spec?.activeDeadlineSeconds !== undefined

/** The quota's usage with this request, undefined if it is not concerned; throws where it would be exceeded. */
function charged(request: AdmissionRequest, quota: ResourceQuota, delta: Usage): Record<string, string> | undefined {
  const hard = quota.status?.hard ?? quota.spec?.hard ?? {}
  const used = quota.status?.used ?? {}
  const names = Object.keys(hard)
    .filter((name) => (delta[name] ?? 0n) !== 0n)
    .toSorted()
  const positive = names.filter((name) => (delta[name] as bigint) > 0n)
  if (positive.length === 0) return undefined
  const over = positive.filter((name) => nanosOf(used[name]) + (delta[name] as bigint) > nanosOf(hard[name]))
  if (over.length > 0) {
    const list = (value: (name: string) => string): string => over.map((name) => `${name}=${value(name)}`).join(',')
    const requested = list((name) => format(delta[name] as bigint, requestedText(request, name) ?? hard[name]))
    throw forbid(
      request,
      `exceeded quota: ${quota.metadata.name}, requested: ${requested}, used: ${list((name) => used[name] ?? '0')}, limited: ${list((name) => hard[name] as string)}`,
    )
  }
  const next = names.map((name) => [
    name,
    format(
      nanosOf(used[name]) + (delta[name] as bigint),
      used[name] && used[name] !== '0' ? used[name] : (requestedText(request, name) ?? hard[name]),
    ),
  ])
  return { ...used, ...(Object.fromEntries(next) as Record<string, string>) }
}

/** How the client wrote the amount, for the unit that messages show. */
function requestedText(request: AdmissionRequest, name: string): string | undefined {
  const spec = (request.object as Pod).spec
  const plain = name.replace(/^(requests|limits)\./, '')
  const field = name.startsWith('limits.') ? 'limits' : 'requests'
  return spec?.containers?.map((container) => container.resources?.[field]?.[plain]).find((text) => text !== undefined)
}

export function createResourceQuota(reader: ObjectReader, charge: ChargeQuota): AdmissionPlugin {
  const busy = new Map<string, Promise<void>>()

  async function check(request: AdmissionRequest): Promise<void> {
    const object = request.object as NonNullable<AdmissionRequest['object']>
    const { resource, oldObject } = request
    const more = increase(request, reader)
    const all = oldObject ? usageOf(resource, object, reader) : more
    /** A quota that did not count the object before counts all of it now. */
    const deltaFor = (quota: ResourceQuota): Usage => (!oldObject || quotaSelects(quota, resource, oldObject) ? more : all)
    const concerned = reader.list(resourcequotas, request.namespace).filter((quota) => quotaSelects(quota, resource, object))
    for (const quota of concerned) {
      const silent = missing(request, quota.status?.hard ?? quota.spec?.hard ?? {})
      if (silent) throw forbid(request, `failed quota: ${quota.metadata.name}: must specify ${silent}`)
    }
    for (const quota of concerned) if (!request.dryRun) charged(request, quota, deltaFor(quota))
    for (const quota of concerned) await chargeOne(request, quota.metadata.name, deltaFor(quota))
  }

  async function chargeOne(request: AdmissionRequest, name: string, delta: Usage): Promise<void> {
    for (let tries = 0; tries < CONFLICT_RETRIES; tries++) {
      const quota = reader.get(resourcequotas, request.namespace, name)
      const used = quota && charged(request, quota, delta)
      if (!quota || !used || request.dryRun) return
      if (await charge(quota, used)) return
    }
    throw forbid(request, `unable to charge the quota ${name}: it changes too often`)
  }

  return {
    name: 'ResourceQuota',
    async validate(request) {
      if (!isCharged(request) || !request.object) return
      if (reader.list(resourcequotas, request.namespace).length === 0) return
      const before = busy.get(request.namespace) ?? Promise.resolve()
      const mine = before.catch(() => {}).then(() => check(request))
      const settled = mine.catch(() => {})
      busy.set(request.namespace, settled)
      try {
        await mine
      } finally {
        if (busy.get(request.namespace) === settled) busy.delete(request.namespace)
      }
    },
  }
}

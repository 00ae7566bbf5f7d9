/** LimitRanger: defaults for containers that ask for nothing, and refusals of those that ask for too much or too little. */
import { limitranges, persistentvolumeclaims, pods } from '../../api/kinds/core/v1.ts'
import { nanosOf } from '../../api/validation/quantities.ts'
import { formatQuantity } from '../../api/quantity.ts'
import { forbid, isResource } from './admission.ts'
import type { Container, LimitRangeItem, PersistentVolumeClaim, Pod } from '../../api/kinds/core/v1.ts'
import type { ObjectReader } from '../registry/reader.ts'
import type { AdmissionPlugin, AdmissionRequest } from './admission.ts'

const ANNOTATION = 'kubernetes.io/limit-ranger'

type Quantities = Readonly<Record<string, string>>

interface Defaults {
  requests: Record<string, string>
  limits: Record<string, string>
}

function defaultsOf(items: readonly LimitRangeItem[]): Defaults {
  const defaults: Defaults = { requests: {}, limits: {} }
  for (const item of items) {
    if (item.type !== 'Container') continue
    Object.assign(defaults.requests, item.defaultRequest)
    Object.assign(defaults.limits, item.default)
  }
  return defaults
}

/** Fills what the container leaves out; answers which requests and limits it set. */
function fill(container: Container, defaults: Defaults): { requests: string[]; limits: string[] } {
  const set = { requests: [] as string[], limits: [] as string[] }
  const resources = (container.resources ??= {})
  for (const field of ['limits', 'requests'] as const) {
    for (const [name, value] of Object.entries(defaults[field])) {
      if (resources[field]?.[name] !== undefined) continue
      resources[field] = { ...resources[field], [name]: value }
      set[field].push(name)
    }
  }
  return set
}

function mutatePod(pod: Pod, items: readonly LimitRangeItem[]): void {
  const defaults = defaultsOf(items)
  const notes: string[] = []
  const note = (names: string[], what: string, where: string): void => {
    if (names.length > 0) notes.push(`${names.toSorted().join(', ')} ${what} for ${where}`)
  }
  for (const [kind, containers] of [
    ['container', pod.spec.containers ?? []],
    ['init container', pod.spec.initContainers ?? []],
  ] as const) {
    for (const container of containers) {
      const set = fill(container, defaults)
      note(set.requests, 'request', `${kind} ${container.name}`)
      note(set.limits, 'limit', `${kind} ${container.name}`)
    }
  }
  if (notes.length === 0) return
  pod.metadata.annotations = { ...pod.metadata.annotations, [ANNOTATION]: `LimitRanger plugin set: ${notes.join('; ')}` }
}

function checkBounds(item: LimitRangeItem, requests: Quantities, limits: Quantities): string[] {
  const errors: string[] = []
  const { type } = item
  for (const [name, bound] of Object.entries(item.min ?? {})) {
    const request = requests[name]
    const limit = limits[name]
    if (request === undefined) errors.push(`minimum ${name} usage per ${type} is ${bound}.  No request is specified`)
    else if (nanosOf(request) < nanosOf(bound)) errors.push(`minimum ${name} usage per ${type} is ${bound}, but request is ${request}`)
    else if (limit !== undefined && nanosOf(limit) < nanosOf(bound))
      errors.push(`minimum ${name} usage per ${type} is ${bound}, but limit is ${limit}`)
  }
  for (const [name, bound] of Object.entries(item.max ?? {})) {
    const request = requests[name]
    const limit = limits[name]
    if (limit === undefined) errors.push(`maximum ${name} usage per ${type} is ${bound}.  No limit is specified`)
    else if (nanosOf(limit) > nanosOf(bound)) errors.push(`maximum ${name} usage per ${type} is ${bound}, but limit is ${limit}`)
    else if (request !== undefined && nanosOf(request) > nanosOf(bound))
      errors.push(`maximum ${name} usage per ${type} is ${bound}, but request is ${request}`)
  }
  for (const [name, bound] of Object.entries(item.maxLimitRequestRatio ?? {})) {
    const request = nanosOf(requests[name])
    const limit = nanosOf(limits[name])
    if (request === 0n)
      errors.push(`${name} max limit to request ratio per ${type} is ${bound}, but no request is specified or request is 0`)
    else if (limit === 0n)
      errors.push(`${name} max limit to request ratio per ${type} is ${bound}, but no limit is specified or limit is 0`)
    else {
      const ratio = Number(limit) / Number(request)
      if (ratio > Number(nanosOf(bound)) / 1e9)
        errors.push(`${name} max limit to request ratio per ${type} is ${bound}, but provided ratio is ${ratio.toFixed(6)}`)
    }
  }
  return errors
}

function total(values: readonly (Quantities | undefined)[]): Record<string, string> {
  const sums = new Map<string, { nanos: bigint; text: string }>()
  for (const quantities of values) {
    for (const [name, value] of Object.entries(quantities ?? {})) {
      const sum = sums.get(name)
      sums.set(name, { nanos: (sum?.nanos ?? 0n) + nanosOf(value), text: sum?.text ?? value })
    }
  }
  return Object.fromEntries(
    [...sums].map(([name, { nanos, text }]) => [
      name,
      formatQuantity({ nanos, format: /[KMGTPE]i$/.test(text) ? 'BinarySI' : 'DecimalSI' }),
    ]),
  )
}

type Field = 'requests' | 'limits'

function largest(a: Record<string, string>, b: Quantities): Record<string, string> {
  const max = { ...a }
  for (const [name, value] of Object.entries(b)) if (value !== undefined && nanosOf(value) > nanosOf(max[name])) max[name] = value
  return max
}

/** Init containers run one after the other, beside the sidecars that were started before them; sidecars go on beside the containers. */
function podTotal({ spec }: Pod, field: Field): Quantities {
  const running: (Quantities | undefined)[] = []
  let starting: Record<string, string> = {}
  for (const { restartPolicy, resources } of spec.initContainers ?? []) {
    starting = largest(starting, total([...running, resources?.[field]]))
    if (restartPolicy === 'Always') running.push(resources?.[field])
  }
  const all = total([...(spec.containers ?? []).map((container) => container.resources?.[field]), ...running])
  // What the pod says for all of its containers together goes before their sum.
  return { ...largest(all, starting), ...spec.resources?.[field] }
}

function checkPod(pod: Pod, items: readonly LimitRangeItem[]): string[] {
  return items.flatMap((item) => {
    if (item.type === 'Container') {
      return [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])].flatMap(({ resources }) =>
        checkBounds(item, resources?.requests ?? {}, resources?.limits ?? {}),
      )
    }
    if (item.type !== 'Pod') return []
    return checkBounds(item, podTotal(pod, 'requests'), podTotal(pod, 'limits'))
  })
}

function checkClaim(claim: PersistentVolumeClaim, items: readonly LimitRangeItem[]): string[] {
  return items
    .filter((item) => item.type === 'PersistentVolumeClaim')
    .flatMap((item) => {
      const requests = claim.spec?.resources?.requests ?? {}
      return checkBounds({ type: item.type, ...(item.min && { min: item.min }) }, requests, requests).concat(
        Object.entries(item.max ?? {}).flatMap(([name, bound]) =>
          requests[name] !== undefined && nanosOf(requests[name]) > nanosOf(bound)
            ? [`maximum ${name} usage per ${item.type} is ${bound}, but request is ${requests[name]}`]
            : [],
        ),
      )
    })
}

export function createLimitRanger(reader: ObjectReader): AdmissionPlugin {
  const itemsFor = (request: AdmissionRequest): LimitRangeItem[] =>
    reader.list(limitranges, request.namespace).flatMap((range) => range.spec?.limits ?? [])
  /** Its containers' resources change by a resize alone; what is about to go is left alone. */
  const isPodToCheck = (request: AdmissionRequest): boolean =>
    (request.operation === 'CREATE' && isResource(request, '', pods.resource)) ||
    (request.operation === 'UPDATE' && isResource(request, '', pods.resource, 'resize') && !request.oldObject?.metadata.deletionTimestamp)
  return {
    name: 'LimitRanger',
    admit(request) {
      if (!isPodToCheck(request) || !(request.object as Pod).spec) return
      const items = itemsFor(request)
      if (items.length > 0) mutatePod(request.object as Pod, items)
    },
    validate(request) {
      const isClaim = request.operation !== 'DELETE' && isResource(request, '', persistentvolumeclaims.resource)
      if (!isPodToCheck(request) && !isClaim) return
      const items = itemsFor(request)
      const found = isClaim ? checkClaim(request.object as PersistentVolumeClaim, items) : checkPod(request.object as Pod, items)
      const errors = [...new Set(found)]
      if (errors.length > 0) throw forbid(request, errors.length === 1 ? (errors[0] as string) : `[${errors.join(', ')}]`)
    },
  }
}

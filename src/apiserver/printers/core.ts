/** Tables of the core group. */
import type {
  ComponentStatus,
  ConfigMap,
  Endpoints,
  Event as CoreEvent,
  LoadBalancerIngress,
  Namespace,
  Node,
  PersistentVolume,
  PersistentVolumeClaim,
  PodTemplate,
  ReplicationController,
  ResourceQuota,
  Secret,
  Service,
} from '../../api/kinds/core/v1.ts'
import type { Event } from '../../api/kinds/events/v1.ts'
import type { KubeObject } from '../../api/resource.ts'
import { AGE, NAME, WORKLOAD_WIDE, age, containerCells, formatLabels, integer, nameOf, since, text } from './format.ts'
import { podPrinter } from './pods.ts'
import type { Cell, Printer } from './printer.ts'

/** Ties the cells' function to its kind. */
export function printer<T extends KubeObject>(
  columns: Printer['columns'],
  cells: (object: T, nowMs: number) => Cell[],
  more: Partial<Printer> = {},
): Printer {
  return { columns, cells: (object, nowMs) => cells(object as T, nowMs), ...more }
}

const ACCESS_MODES = [
  ['ReadWriteOnce', 'RWO'],
  ['ReadOnlyMany', 'ROX'],
  ['ReadWriteMany', 'RWX'],
  ['ReadWriteOncePod', 'RWOP'],
] as const

function accessModes(modes: readonly string[] | undefined): string {
  return ACCESS_MODES.filter(([mode]) => modes?.includes(mode))
    .map(([, short]) => short)
    .join(',')
}

const STORAGE_CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'

function storageClass(object: PersistentVolume | PersistentVolumeClaim): string {
  return object.metadata.annotations?.[STORAGE_CLASS_ANNOTATION] ?? object.spec?.storageClassName ?? ''
}

/** Addresses of a load balancer, sorted. */
export function ingressAddresses(ingress: readonly Pick<LoadBalancerIngress, 'ip' | 'hostname'>[] | undefined): string {
  const addresses = (ingress ?? []).map((i) => i.ip || i.hostname || '').filter((a) => a !== '')
  return [...new Set(addresses)].sort().join(',')
}

function externalIp({ spec, status }: Service): string {
  const external = spec?.externalIPs ?? []
  switch (spec?.type) {
    case 'ClusterIP':
    case 'NodePort':
      return external.join(',') || '<none>'
    case 'LoadBalancer':
      return [ingressAddresses(status?.loadBalancer?.ingress), ...external].filter((a) => a !== '').join(',') || '<pending>'
    case 'ExternalName':
      return spec.externalName ?? ''
    default:
      return '<unknown>'
  }
}

function servicePorts({ spec }: Service): string {
  const ports = (spec?.ports ?? []).map((p) => (p.nodePort ? `${p.port}:${p.nodePort}/${p.protocol}` : `${p.port}/${p.protocol}`))
  return ports.join(',') || '<none>'
}

function endpointsText({ subsets }: Endpoints): string {
  if (!subsets || subsets.length === 0) return '<none>'
  const all: string[] = []
  const join = (ip: string, port: number): string => (ip.includes(':') ? `[${ip}]:${port}` : `${ip}:${port}`)
  for (const subset of subsets) {
    const addresses = subset.addresses ?? []
    if (!subset.ports || subset.ports.length === 0) all.push(...addresses.map((a) => a.ip))
    for (const port of subset.ports ?? []) all.push(...addresses.map((a) => join(a.ip, port.port)))
  }
  const shown = all.slice(0, 3).join(',')
  return all.length > 3 ? `${shown} + ${all.length - 3} more...` : shown
}

const ROLE_LABEL_PREFIX = 'node-role.kubernetes.io/'

function nodeRoles(node: Node): string {
  const roles = new Set<string>()
  for (const [key, value] of Object.entries(node.metadata.labels ?? {})) {
    if (key.startsWith(ROLE_LABEL_PREFIX) && key.length > ROLE_LABEL_PREFIX.length) roles.add(key.slice(ROLE_LABEL_PREFIX.length))
    else if (key === 'kubernetes.io/role' && value) roles.add(value)
  }
  return [...roles].sort().join(',') || '<none>'
}

function nodeCells(node: Node, nowMs: number): Cell[] {
  const ready = node.status?.conditions?.find((c) => c.type === 'Ready')
  const status = [
    ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown',
    ...(node.spec?.unschedulable ? ['SchedulingDisabled'] : []),
  ]
  const address = (type: string): string => node.status?.addresses?.find((a) => a.type === type)?.address ?? '<none>'
  const info = node.status?.nodeInfo
  const kernel = `${info?.kernelVersion || '<unknown>'}${info?.architecture ? ` (${info.architecture})` : ''}`
  return [
    nameOf(node),
    status.join(','),
    nodeRoles(node),
    age(node, nowMs),
    info?.kubeletVersion ?? '',
    address('InternalIP'),
    address('ExternalIP'),
    info?.osImage || '<unknown>',
    kernel,
    info?.containerRuntimeVersion || '<unknown>',
  ]
}

/** events.k8s.io renames what core calls otherwise. */
function asCoreEvent(event: CoreEvent | Event): CoreEvent {
  if (!('regarding' in event) && !('note' in event)) return event as CoreEvent
  const {
    regarding,
    note,
    deprecatedSource,
    deprecatedCount,
    deprecatedFirstTimestamp,
    deprecatedLastTimestamp,
    reportingController,
    ...rest
  } = event as Event
  return {
    ...rest,
    involvedObject: regarding ?? {},
    message: note ?? '',
    source: deprecatedSource ?? {},
    reportingComponent: reportingController ?? '',
    ...(deprecatedCount !== undefined && { count: deprecatedCount }),
    ...(deprecatedFirstTimestamp && { firstTimestamp: deprecatedFirstTimestamp }),
    ...(deprecatedLastTimestamp && { lastTimestamp: deprecatedLastTimestamp }),
  } as CoreEvent
}

function eventCells(given: CoreEvent | Event, nowMs: number): Cell[] {
  const event = asCoreEvent(given)
  const first = since(event.firstTimestamp ?? event.eventTime, nowMs)
  const last = event.series ? since(event.series.lastObservedTime, nowMs) : event.lastTimestamp ? since(event.lastTimestamp, nowMs) : first
  const count = event.series ? (event.series.count ?? 0) : event.count || 1
  const about = event.involvedObject ?? {}
  const kind = (about.kind ?? '').toLowerCase()
  const component = event.source?.component || event.reportingComponent || ''
  const host = event.source?.host || event.reportingInstance || ''
  return [
    last,
    event.type ?? '',
    event.reason ?? '',
    about.name ? `${kind}/${about.name}` : kind,
    about.fieldPath ?? '',
    host ? `${component}, ${host}` : component,
    (event.message ?? '').trim(),
    first,
    count,
    nameOf(event),
  ]
}

export const eventPrinter = printer<CoreEvent | Event>(
  [
    text('Last Seen'),
    text('Type'),
    text('Reason'),
    text('Object'),
    text('Subobject', 1),
    text('Source', 1),
    text('Message'),
    text('First Seen', 1),
    text('Count', 1),
    { ...NAME, priority: 1 },
  ],
  eventCells,
)

function quotaCells(quota: ResourceQuota, nowMs: number): Cell[] {
  const hard = quota.status?.hard ?? {}
  const line = (names: string[]): string => names.map((name) => `${name}: ${quota.status?.used?.[name] ?? '0'}/${hard[name]}`).join(', ')
  const names = Object.keys(hard).sort()
  const isLimit = (name: string): boolean => name.startsWith('limits.')
  return [nameOf(quota), line(names.filter((n) => !isLimit(n))), line(names.filter(isLimit)), age(quota, nowMs)]
}

function volumeCells(volume: PersistentVolume, nowMs: number): Cell[] {
  const { spec, status } = volume
  return [
    nameOf(volume),
    spec?.capacity?.['storage'] ?? '0',
    accessModes(spec?.accessModes),
    spec?.persistentVolumeReclaimPolicy ?? '',
    volume.metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    spec?.claimRef ? `${spec.claimRef.namespace ?? ''}/${spec.claimRef.name ?? ''}` : '',
    storageClass(volume),
    spec?.volumeAttributesClassName ?? '<unset>',
    status?.reason ?? '',
    age(volume, nowMs),
    spec?.volumeMode ?? '<unset>',
  ]
}

function claimCells(claim: PersistentVolumeClaim, nowMs: number): Cell[] {
  const { spec, status } = claim
  const bound = Boolean(spec?.volumeName)
  return [
    nameOf(claim),
    claim.metadata.deletionTimestamp ? 'Terminating' : (status?.phase ?? ''),
    spec?.volumeName ?? '',
    bound ? (status?.capacity?.['storage'] ?? '0') : '',
    bound ? accessModes(status?.accessModes) : '',
    storageClass(claim),
    spec?.volumeAttributesClassName ?? '<unset>',
    age(claim, nowMs),
    spec?.volumeMode ?? '<unset>',
  ]
}

function componentStatusCells(object: ComponentStatus): Cell[] {
  const healthy = object.conditions?.find((c) => c.type === 'Healthy')
  const status = healthy ? (healthy.status === 'True' ? 'Healthy' : 'Unhealthy') : 'Unknown'
  return [nameOf(object), status, healthy?.message ?? '', healthy?.error ?? '']
}

export const corePrinters: Readonly<Record<string, Printer>> = {
  pods: podPrinter,
  events: eventPrinter,
  podtemplates: printer<PodTemplate>([NAME, text('Containers'), text('Images'), text('Pod Labels')], (o) => [
    nameOf(o),
    ...containerCells(o.template?.spec?.containers),
    formatLabels(o.template?.metadata?.labels),
  ]),
  replicationcontrollers: printer<ReplicationController>(
    [NAME, integer('Desired'), integer('Current'), integer('Ready'), AGE, ...WORKLOAD_WIDE],
    (o, now) => [
      nameOf(o),
      o.spec?.replicas ?? 0,
      o.status?.replicas ?? 0,
      o.status?.readyReplicas ?? 0,
      age(o, now),
      ...containerCells(o.spec?.template?.spec?.containers),
      formatLabels(o.spec?.selector),
    ],
  ),
  services: printer<Service>(
    [NAME, text('Type'), text('Cluster-IP'), text('External-IP'), text('Port(s)'), AGE, text('Selector', 1)],
    (o, now) => [
      nameOf(o),
      o.spec?.type ?? '',
      o.spec?.clusterIPs?.[0] ?? '<none>',
      externalIp(o),
      servicePorts(o),
      age(o, now),
      formatLabels(o.spec?.selector),
    ],
  ),
  endpoints: printer<Endpoints>([NAME, text('Endpoints'), AGE], (o, now) => [nameOf(o), endpointsText(o), age(o, now)]),
  nodes: printer<Node>(
    [
      NAME,
      text('Status'),
      text('Roles'),
      AGE,
      text('Version'),
      text('Internal-IP', 1),
      text('External-IP', 1),
      text('OS-Image', 1),
      text('Kernel-Version', 1),
      text('Container-Runtime', 1),
    ],
    nodeCells,
  ),
  namespaces: printer<Namespace>([NAME, text('Status'), AGE], (o, now) => [nameOf(o), o.status?.phase ?? '', age(o, now)]),
  secrets: printer<Secret>([NAME, text('Type'), text('Data'), AGE], (o, now) => [
    nameOf(o),
    o.type ?? '',
    Object.keys(o.data ?? {}).length,
    age(o, now),
  ]),
  serviceaccounts: printer([NAME, AGE], (o, now) => [nameOf(o), age(o, now)]),
  persistentvolumes: printer<PersistentVolume>(
    [
      NAME,
      text('Capacity'),
      text('Access Modes'),
      text('Reclaim Policy'),
      text('Status'),
      text('Claim'),
      text('StorageClass'),
      text('VolumeAttributesClass'),
      text('Reason'),
      AGE,
      text('VolumeMode', 1),
    ],
    volumeCells,
  ),
  persistentvolumeclaims: printer<PersistentVolumeClaim>(
    [
      NAME,
      text('Status'),
      text('Volume'),
      text('Capacity'),
      text('Access Modes'),
      text('StorageClass'),
      text('VolumeAttributesClass'),
      AGE,
      text('VolumeMode', 1),
    ],
    claimCells,
  ),
  componentstatuses: printer<ComponentStatus>([NAME, text('Status'), text('Message'), text('Error')], componentStatusCells),
  configmaps: printer<ConfigMap>([NAME, text('Data'), AGE], (o, now) => [
    nameOf(o),
    Object.keys(o.data ?? {}).length + Object.keys(o.binaryData ?? {}).length,
    age(o, now),
  ]),
  resourcequotas: printer<ResourceQuota>([NAME, text('Request'), text('Limit'), AGE], quotaCells),
}

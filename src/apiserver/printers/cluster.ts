/** Tables of the cluster itself: namespaces, nodes and their devices, classes, leases, flow control, API services. */
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { ComponentStatus, Namespace, Node } from '../../api/kinds/core/v1.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'
import type { RuntimeClass } from '../../api/kinds/node/v1.ts'
import type { DeviceClass, ResourceClaim, ResourceClaimTemplate, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import type { PriorityClass } from '../../api/kinds/scheduling/v1.ts'
import { findCondition } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { age, boolean, integer, name, nameOf, printer, text, wide, type Printers } from './columns.ts'
import type { Cell } from './printer.ts'

const ROLE_PREFIX = 'node-role.kubernetes.io/'
const ROLE_LABEL = 'kubernetes.io/role'

function nodeStatus({ spec, status }: Node): string {
  const ready = findCondition(status?.conditions, 'Ready')
  const state = ready ? (ready.status === 'True' ? 'Ready' : 'NotReady') : 'Unknown'
  return spec?.unschedulable ? `${state},SchedulingDisabled` : state
}

function nodeRoles({ metadata }: Node): string {
  const roles = Object.entries(metadata.labels ?? {}).map(([key, value]) =>
    key.startsWith(ROLE_PREFIX) ? key.slice(ROLE_PREFIX.length) : key === ROLE_LABEL ? value : '',
  )
  return [...new Set(roles.filter(Boolean))].sort().join(',') || '<none>'
}

const nodeAddress = ({ status }: Node, wanted: string): string =>
  status?.addresses?.find(({ type }) => type === wanted)?.address ?? '<none>'

function kernel({ status }: Node): string {
  const { kernelVersion, architecture } = status?.nodeInfo ?? {}
  return `${kernelVersion || '<unknown>'}${architecture ? ` (${architecture})` : ''}`
}

const healthOf = ({ conditions }: ComponentStatus) => findCondition(conditions, 'Healthy')

function componentHealth(o: ComponentStatus): string {
  const healthy = healthOf(o)
  if (!healthy) return 'Unknown'
  return healthy.status === 'True' ? 'Healthy' : 'Unhealthy'
}

function claimState({ metadata, status }: ResourceClaim): string {
  const { allocation, reservedFor } = status ?? {}
  const states = {
    deleted: metadata.deletionTimestamp !== undefined,
    pending: !allocation && metadata.deletionTimestamp === undefined,
    allocated: allocation !== undefined,
    reserved: allocation !== undefined && Boolean(reservedFor?.length),
  }
  return Object.entries(states)
    .flatMap(([state, holds]) => (holds ? [state] : []))
    .join(',')
}

function byPrecedence(a: KubeObject, b: KubeObject): number {
  const precedence = (o: KubeObject): number => (o as FlowSchema).spec?.matchingPrecedence ?? 0
  return precedence(a) - precedence(b) || (nameOf(a) < nameOf(b) ? -1 : 1)
}

/** Of how a limited level queues. */
const queuing =
  (field: 'queues' | 'handSize' | 'queueLengthLimit') =>
  ({ spec }: PriorityLevelConfiguration): Cell =>
    spec?.limited?.limitResponse?.queuing?.[field] ?? '<none>'

function availability({ status }: APIService): string {
  const available = findCondition(status?.conditions, 'Available')
  if (!available) return 'Unknown'
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`
}

export const clusterPrinters: Printers = {
  '/namespaces': printer<Namespace>(
    name,
    text('Status', ({ status }) => status?.phase ?? ''),
    age,
  ),
  '/nodes': printer<Node>(
    name,
    text('Status', nodeStatus),
    text('Roles', nodeRoles),
    age,
    text('Version', ({ status }) => status?.nodeInfo?.kubeletVersion ?? ''),
    wide(text('Internal-IP', (node) => nodeAddress(node, 'InternalIP'))),
    wide(text('External-IP', (node) => nodeAddress(node, 'ExternalIP'))),
    wide(text('OS-Image', ({ status }) => status?.nodeInfo?.osImage || '<unknown>')),
    wide(text('Kernel-Version', kernel)),
    wide(text('Container-Runtime', ({ status }) => status?.nodeInfo?.containerRuntimeVersion || '<unknown>')),
  ),
  '/componentstatuses': printer<ComponentStatus>(
    name,
    text('Status', componentHealth),
    text('Message', (o) => healthOf(o)?.message ?? ''),
    text('Error', (o) => healthOf(o)?.error ?? ''),
  ),
  'coordination.k8s.io/leases': printer<Lease>(
    name,
    text('Holder', ({ spec }) => spec?.holderIdentity ?? ''),
    age,
  ),
  'scheduling.k8s.io/priorityclasses': printer<PriorityClass>(
    name,
    integer('Value', ({ value }) => value ?? 0),
    boolean('Global-Default', ({ globalDefault }) => globalDefault ?? false),
    age,
    text('PreemptionPolicy', ({ preemptionPolicy }) => preemptionPolicy ?? ''),
  ),
  'node.k8s.io/runtimeclasses': printer<RuntimeClass>(name, { ...text('Handler', ({ handler }) => handler ?? ''), description: '' }, age),
  'resource.k8s.io/deviceclasses': printer<DeviceClass>(name, age),
  'resource.k8s.io/resourceclaimtemplates': printer<ResourceClaimTemplate>(name, age),
  'resource.k8s.io/resourceclaims': printer<ResourceClaim>(name, text('State', claimState), age),
  'resource.k8s.io/resourceslices': printer<ResourceSlice>(
    name,
    text('Node', ({ spec }) => spec?.nodeName ?? ''),
    text('Driver', ({ spec }) => spec?.driver ?? ''),
    text('Pool', ({ spec }) => spec?.pool?.name ?? ''),
    age,
  ),
  'flowcontrol.apiserver.k8s.io/flowschemas': {
    ...printer<FlowSchema>(
      name,
      text('PriorityLevel', ({ spec }) => spec?.priorityLevelConfiguration?.name ?? ''),
      text('MatchingPrecedence', ({ spec }) => spec?.matchingPrecedence ?? 0),
      text('DistinguisherMethod', ({ spec }) => spec?.distinguisherMethod?.type ?? '<none>'),
      age,
      text('MissingPL', ({ status }) => status?.conditions?.find(({ type }) => type === 'Dangling')?.status ?? '?'),
    ),
    compare: byPrecedence,
  },
  'flowcontrol.apiserver.k8s.io/prioritylevelconfigurations': printer<PriorityLevelConfiguration>(
    name,
    text('Type', ({ spec }) => spec?.type ?? ''),
    text('NominalConcurrencyShares', ({ spec }) => (spec?.limited ? (spec.limited.nominalConcurrencyShares ?? 0) : '<none>')),
    text('Queues', queuing('queues')),
    text('HandSize', queuing('handSize')),
    text('QueueLengthLimit', queuing('queueLengthLimit')),
    age,
  ),
  'apiregistration.k8s.io/apiservices': printer<APIService>(
    name,
    text('Service', ({ spec }) => (spec?.service ? `${spec.service.namespace}/${spec.service.name}` : 'Local')),
    text('Available', availability),
    age,
  ),
}

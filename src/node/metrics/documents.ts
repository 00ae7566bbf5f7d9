/** The objects of metrics.k8s.io/v1beta1 and what its server says of itself, in metrics-server's shapes. Pure. */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { timestamp } from '../../api/meta.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { NodeUsage, Usage } from './usage.ts'

export const METRICS_GROUP = 'metrics.k8s.io'
export const METRICS_VERSION = 'v1beta1'
const GROUP_VERSION = `${METRICS_GROUP}/${METRICS_VERSION}`

export type MetricsKind = 'NodeMetrics' | 'PodMetrics'

const amounts = ({ cpuNanoCores, memoryBytes }: Usage): JsonObject => ({
  cpu: cpuNanoCores === 0 ? '0' : `${cpuNanoCores}n`,
  memory: `${Math.round(memoryBytes / 1024)}Ki`,
})

const goSeconds = (ms: number): string => `${(ms / 1000).toFixed(3)}s`

function common(kind: MetricsKind, { metadata }: Node | Pod, usage: NodeUsage): JsonObject {
  const { name, namespace, labels } = metadata
  return {
    kind,
    apiVersion: GROUP_VERSION,
    metadata: { name, ...(namespace && { namespace }), creationTimestamp: timestamp(usage.atMs), ...(labels && { labels }) },
    timestamp: timestamp(usage.atMs),
    window: goSeconds(usage.windowMs),
  }
}

export function nodeMetrics(node: Node, usage: NodeUsage): JsonObject {
  return { ...common('NodeMetrics', node, usage), usage: amounts(usage.node) }
}

/** Undefined while none of its containers was seen. */
export function podMetrics(pod: Pod, usage: NodeUsage): JsonObject | undefined {
  const used = usage.pods.get(`${pod.metadata.namespace}/${pod.metadata.name}`)
  if (!used || used.size === 0) return undefined
  return { ...common('PodMetrics', pod, usage), containers: [...used].map(([name, of]) => ({ name, usage: amounts(of) })) }
}

export function metricsList(kind: MetricsKind, items: readonly JsonObject[]): JsonObject {
  return { kind: `${kind}List`, apiVersion: GROUP_VERSION, metadata: {}, items: [...items] }
}

const COLUMNS = ['Name', 'cpu', 'memory', 'Window'].map((name) => ({
  name,
  type: 'string',
  format: name === 'Name' ? 'name' : '',
  description: '',
  priority: 0,
}))

/** As `kubectl get` shows them. */
export function metricsTable(items: readonly JsonObject[], usageOf: (item: JsonObject) => Usage): JsonObject {
  return {
    kind: 'Table',
    apiVersion: 'meta.k8s.io/v1',
    metadata: {},
    columnDefinitions: COLUMNS,
    rows: items.map((item) => {
      const metadata = item['metadata'] as JsonObject
      const { cpu, memory } = amounts(usageOf(item)) as { cpu: string; memory: string }
      return {
        cells: [metadata['name'] as string, cpu, memory, item['window'] as string],
        object: { kind: 'PartialObjectMetadata', apiVersion: 'meta.k8s.io/v1', metadata },
      }
    }),
  }
}

const version = { groupVersion: GROUP_VERSION, version: METRICS_VERSION }

export const apiGroup: JsonObject = { name: METRICS_GROUP, versions: [version], preferredVersion: version }

const RESOURCES = [
  { resource: 'nodes', kind: 'NodeMetrics', namespaced: false },
  { resource: 'pods', kind: 'PodMetrics', namespaced: true },
] as const

export const apiResourceList: JsonObject = {
  kind: 'APIResourceList',
  apiVersion: 'v1',
  groupVersion: GROUP_VERSION,
  resources: RESOURCES.map(({ resource, kind, namespaced }) => ({
    name: resource,
    singularName: '',
    namespaced,
    kind,
    verbs: ['get', 'list'],
  })),
}

/** Discovery in one document, for those who ask for it so. */
export const aggregatedDiscovery: JsonObject = {
  kind: 'APIGroupDiscoveryList',
  apiVersion: 'apidiscovery.k8s.io/v2',
  metadata: {},
  items: [
    {
      metadata: { name: METRICS_GROUP },
      versions: [
        {
          version: METRICS_VERSION,
          freshness: 'Current',
          resources: RESOURCES.map(({ resource, kind, namespaced }) => ({
            resource,
            responseKind: { group: METRICS_GROUP, version: METRICS_VERSION, kind },
            scope: namespaced ? 'Namespaced' : 'Cluster',
            singularResource: '',
            verbs: ['get', 'list'],
          })),
        },
      ],
    },
  ],
}

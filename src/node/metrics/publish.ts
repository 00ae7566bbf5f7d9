/** The objects by which the API server finds the metrics server: Service, EndpointSlice, APIService, and who may read metrics. */
import { apiservices, type APIService } from '../../api/kinds/apiregistration/v1.ts'
import { services, type Service } from '../../api/kinds/core/v1.ts'
import { endpointslices, type EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import { clusterroles, type ClusterRole } from '../../api/kinds/rbac/v1.ts'
import type { Draft, KubeObject, Resource } from '../../api/resource.ts'
import { isAlreadyExists } from '../../api/status.ts'
import type { Client } from '../../client/client.ts'
import { METRICS_GROUP, METRICS_VERSION } from './documents.ts'

const NAMESPACE = 'kube-system'
const NAME = 'metrics-server'
const LABELS = { 'k8s-app': NAME }

export interface MetricsServerPlace {
  client: Client
  nodeName: string
  nodeIp: string
  port: number
  /** PEM: who signed the server's certificate. */
  ca: string
}

/** Made where it is missing; what `current` gives is brought up to date where it is there. */
async function ensure<T extends KubeObject>(
  client: Client,
  resource: Resource<T>,
  object: Draft<T>,
  current: object | undefined,
  signal: AbortSignal,
): Promise<void> {
  try {
    await client.create(resource, object, { signal })
  } catch (error) {
    if (!isAlreadyExists(error)) throw error
    const { name = '', namespace } = object.metadata
    const at = { name, ...(namespace && { namespace }), signal }
    if (current) await client.patch(resource, { ...at, type: 'application/merge-patch+json' }, current)
  }
}

export async function publishMetricsServer({ client, nodeName, nodeIp, port, ca }: MetricsServerPlace, signal: AbortSignal): Promise<void> {
  const service: Draft<Service> = {
    metadata: { name: NAME, namespace: NAMESPACE, labels: LABELS },
    spec: { ports: [{ name: 'https', port: 443, protocol: 'TCP', targetPort: port }] },
  }
  const reached = {
    endpoints: [{ addresses: [nodeIp], conditions: { ready: true, serving: true, terminating: false }, nodeName }],
    ports: [{ name: 'https', port, protocol: 'TCP' as const }],
  }
  const slice: Draft<EndpointSlice> = {
    metadata: {
      name: `${NAME}-${nodeName}`,
      namespace: NAMESPACE,
      labels: { ...LABELS, 'kubernetes.io/service-name': NAME, 'endpointslice.kubernetes.io/managed-by': 'metrics.minicube' },
    },
    addressType: 'IPv4',
    ...reached,
  }
  const caBundle = Buffer.from(ca).toString('base64')
  const apiService: Draft<APIService> = {
    metadata: { name: `${METRICS_VERSION}.${METRICS_GROUP}`, labels: LABELS },
    spec: {
      group: METRICS_GROUP,
      version: METRICS_VERSION,
      groupPriorityMinimum: 100,
      versionPriority: 100,
      service: { name: NAME, namespace: NAMESPACE, port: 443 },
      caBundle,
    },
  }
  const reader: Draft<ClusterRole> = {
    metadata: {
      name: 'system:aggregated-metrics-reader',
      labels: {
        ...LABELS,
        'rbac.authorization.k8s.io/aggregate-to-view': 'true',
        'rbac.authorization.k8s.io/aggregate-to-edit': 'true',
        'rbac.authorization.k8s.io/aggregate-to-admin': 'true',
      },
    },
    rules: [{ apiGroups: [METRICS_GROUP], resources: ['pods', 'nodes'], verbs: ['get', 'list', 'watch'] }],
  }
  await Promise.all([
    ensure(client, services, service, undefined, signal),
    ensure(client, endpointslices, slice, reached, signal),
    ensure(client, clusterroles, reader, undefined, signal),
  ])
  await ensure(client, apiservices, apiService, { spec: { caBundle } }, signal)
}

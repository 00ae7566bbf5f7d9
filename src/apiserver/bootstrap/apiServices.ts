/** An APIService for each group version that the server itself serves; their priorities give discovery its order. */
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { Catalog } from '../../api/catalog/catalog.ts'
import type { Draft } from '../../api/resource.ts'

const GROUP_PRIORITIES: Readonly<Record<string, number>> = {
  '': 18000,
  apps: 17800,
  'events.k8s.io': 17750,
  'authentication.k8s.io': 17700,
  'authorization.k8s.io': 17600,
  autoscaling: 17500,
  batch: 17400,
  'certificates.k8s.io': 17300,
  'networking.k8s.io': 17200,
  policy: 17100,
  'rbac.authorization.k8s.io': 17000,
  'storage.k8s.io': 16800,
  'apiextensions.k8s.io': 16700,
  'admissionregistration.k8s.io': 16700,
  'scheduling.k8s.io': 16600,
  'coordination.k8s.io': 16500,
  'node.k8s.io': 16300,
  'discovery.k8s.io': 16200,
  'resource.k8s.io': 16200,
  'flowcontrol.apiserver.k8s.io': 16100,
  'internal.apiserver.k8s.io': 16000,
  'storagemigration.k8s.io': 15800,
}
/** Where it is not 15. */
const VERSION_PRIORITIES: Readonly<Record<string, number>> = {
  '/v1': 1,
  'autoscaling/v2': 30,
  'flowcontrol.apiserver.k8s.io/v1': 21,
  'resource.k8s.io/v1': 21,
}
const DEFAULT_PRIORITY = 15

/** Custom resources' groups get theirs from the controller that watches their definitions. */
export function localApiServices(catalog: Catalog, now: string): Draft<APIService>[] {
  return catalog.groups
    .filter((group) => group.name !== 'apiregistration.k8s.io' && group.name in GROUP_PRIORITIES)
    .flatMap((group) =>
      group.versions.map((version): Draft<APIService> => ({
        apiVersion: 'apiregistration.k8s.io/v1',
        kind: 'APIService',
        metadata: { name: `${version}.${group.name}`, labels: { 'kube-aggregator.kubernetes.io/automanaged': 'onstart' } },
        spec: {
          ...(group.name && { group: group.name }),
          version,
          groupPriorityMinimum: GROUP_PRIORITIES[group.name] as number,
          versionPriority: VERSION_PRIORITIES[`${group.name}/${version}`] ?? DEFAULT_PRIORITY,
        },
        status: {
          conditions: [
            {
              type: 'Available',
              status: 'True',
              lastTransitionTime: now,
              reason: 'Local',
              message: 'Local APIServices are always available',
            },
          ],
        },
      })),
    )
}

/** Which printer a resource has. */
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { corePrinters, eventPrinter } from './core.ts'
import { customPrinter } from './customResources.ts'
import {
  admissionPrinters,
  apiregistrationPrinters,
  certificatesPrinters,
  coordinationPrinters,
  devicePrinters,
  discoveryPrinters,
  flowcontrolPrinters,
  networkingPrinters,
  nodePrinters,
  rbacPrinters,
  schedulingPrinters,
  storagePrinters,
} from './extensions.ts'
import { NAME, nameOf } from './format.ts'
import type { Printer } from './printer.ts'
import { appsPrinters, autoscalingPrinters, batchPrinters, policyPrinters, scalePrinter } from './workloads.ts'

const BY_GROUP: Readonly<Record<string, Readonly<Record<string, Printer>>>> = {
  '': corePrinters,
  'admissionregistration.k8s.io': admissionPrinters,
  'apiregistration.k8s.io': apiregistrationPrinters,
  apps: appsPrinters,
  autoscaling: autoscalingPrinters,
  batch: batchPrinters,
  'certificates.k8s.io': certificatesPrinters,
  'coordination.k8s.io': coordinationPrinters,
  'discovery.k8s.io': discoveryPrinters,
  'events.k8s.io': { events: eventPrinter },
  'flowcontrol.apiserver.k8s.io': flowcontrolPrinters,
  'networking.k8s.io': networkingPrinters,
  'node.k8s.io': nodePrinters,
  policy: policyPrinters,
  'rbac.authorization.k8s.io': rbacPrinters,
  'resource.k8s.io': devicePrinters,
  'scheduling.k8s.io': schedulingPrinters,
  'storage.k8s.io': storagePrinters,
}

/** Name and creation time: upstream's table of kinds that have none of their own. */
const DEFAULT: Printer = {
  columns: [NAME, { name: 'Created At', type: 'date' }],
  cells: (object) => [nameOf(object), object.metadata.creationTimestamp ?? '<unknown>'],
}

const NULL_WHEN_EMPTY = new Set(['clusterroles', 'roles', 'limitranges', 'csistoragecapacities'])
const custom = new WeakMap<CatalogResource, Printer>()

/** `kind` is that of the objects, which a subresource may have another of. */
export function printerOf(resource: CatalogResource, kind: string): Printer {
  if (kind === 'Scale' && resource.kind !== 'Scale') return scalePrinter
  const own = BY_GROUP[resource.group]?.[resource.resource]
  if (own) return own
  if (resource.type.name !== '') return NULL_WHEN_EMPTY.has(resource.resource) ? { ...DEFAULT, nullWhenEmpty: true } : DEFAULT
  let made = custom.get(resource)
  if (!made) custom.set(resource, (made = customPrinter(resource)))
  return made
}

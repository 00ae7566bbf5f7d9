/** Which printer a resource has. */
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import { accessPrinters } from './access.ts'
import { admissionPrinters } from './admission.ts'
import { autoscalingPrinters, customScalePrinter, scalePrinter } from './autoscaling.ts'
import { clusterPrinters } from './cluster.ts'
import { named, printer, type Printers } from './columns.ts'
import { configPrinters } from './config.ts'
import { customPrinter } from './customResources.ts'
import { eventPrinters } from './events.ts'
import { networkingPrinters } from './networking.ts'
import { podPrinter } from './pods.ts'
import type { Printer } from './printer.ts'
import { storagePrinters } from './storage.ts'
import { workloadPrinters } from './workloads.ts'

/** By `group/resource`. */
const PRINTERS: Printers = {
  '/pods': podPrinter,
  ...accessPrinters,
  ...admissionPrinters,
  ...autoscalingPrinters,
  ...clusterPrinters,
  ...configPrinters,
  ...eventPrinters,
  ...networkingPrinters,
  ...storagePrinters,
  ...workloadPrinters,
}

/** Name and creation time: upstream's table of kinds that have none of their own. */
const DEFAULT: Printer = printer(named(), {
  name: 'Created At',
  type: 'date',
  cell: ({ metadata }) => metadata.creationTimestamp ?? '<unknown>',
})

const NULL_WHEN_EMPTY = new Set(['clusterroles', 'roles', 'limitranges', 'csistoragecapacities'])
const custom = new WeakMap<CatalogResource, Printer>()

/** `kind` is that of the objects, which a subresource may have another of. */
export function printerOf(resource: CatalogResource, kind: string): Printer {
  if (kind === 'Scale' && resource.kind !== 'Scale') return resource.custom ? customScalePrinter : scalePrinter
  const own = PRINTERS[`${resource.group}/${resource.resource}`]
  if (own) return own
  if (resource.type.name !== '') return NULL_WHEN_EMPTY.has(resource.resource) ? { ...DEFAULT, nullWhenEmpty: true } : DEFAULT
  let made = custom.get(resource)
  if (!made) custom.set(resource, (made = customPrinter(resource)))
  return made
}

/** Services: addresses and ports, and what a change of type lets go of. */
import { nameIsDnsLabel } from '../../../api/validation/names.ts'
import { validateService, validateServiceStatus, validateServiceUpdate } from '../../../api/validation/service.ts'
import { loadBalancerWarnings, serviceWarnings } from '../../../api/validation/warnings.ts'
import { loadBalancerStatus } from './status.ts'
import type { Service, ServiceSpec } from '../../../api/kinds/core/v1.ts'
import type { Strategy } from '../strategy.ts'

/** clusterIP and clusterIPs say the same; a client may set the first alone. */
function unifyAddresses(next: ServiceSpec, old: ServiceSpec | undefined): void {
  if (!old) {
    if (next.clusterIP && !next.clusterIPs?.length) next.clusterIPs = [next.clusterIP]
    return
  }
  const oneChanged = next.clusterIP !== old.clusterIP
  const listChanged = JSON.stringify(next.clusterIPs ?? []) !== JSON.stringify(old.clusterIPs ?? [])
  const cleared = oneChanged && listChanged && Boolean(next.clusterIP) && !next.clusterIPs?.length
  if (cleared || (oneChanged && !listChanged)) {
    if (next.clusterIP) next.clusterIPs = [next.clusterIP]
    else delete next.clusterIPs
  } else if (!oneChanged && listChanged && !next.clusterIPs?.length && old.clusterIPs?.length) {
    if (next.clusterIP) next.clusterIPs = [...old.clusterIPs]
  }
}

const needsNodePorts = ({ type }: ServiceSpec): boolean => type === 'NodePort' || type === 'LoadBalancer'

/** A client that leaves out what the server filled in does not mean to change it: a port is known by its name. */
function keepAllocated(next: Service, old: Service): void {
  const spec = next.spec as ServiceSpec
  const before = old.spec as ServiceSpec
  if (before.type !== 'ExternalName' && spec.type !== 'ExternalName') {
    if (!spec.clusterIP && before.clusterIP) spec.clusterIP = before.clusterIP
    if (!spec.clusterIPs?.length && spec.clusterIP === before.clusterIP && before.clusterIPs) spec.clusterIPs = [...before.clusterIPs]
  }
  if (needsNodePorts(spec) && needsNodePorts(before)) {
    const ofNames = new Map((before.ports ?? []).map(({ name = '', nodePort }) => [name, nodePort]))
    const used = new Set(spec.ports?.map(({ nodePort }) => nodePort))
    for (const port of spec.ports ?? []) {
      const nodePort = ofNames.get(port.name ?? '')
      if (!port.nodePort && nodePort && !used.has(nodePort)) port.nodePort = nodePort
    }
  }
  if (
    spec.type === 'LoadBalancer' &&
    before.type === 'LoadBalancer' &&
    spec.externalTrafficPolicy === 'Local' &&
    before.healthCheckNodePort
  ) {
    spec.healthCheckNodePort ??= before.healthCheckNodePort
  }
}

/** What belongs to the old type and was not touched goes away with it. */
function dropTypeDependent(next: Service, old: Service): void {
  const spec = next.spec as ServiceSpec
  const before = old.spec as ServiceSpec
  const needsAddress = (s: ServiceSpec): boolean => s.type !== 'ExternalName'
  if (needsAddress(before) && !needsAddress(spec)) {
    if (spec.clusterIP === before.clusterIP) delete spec.clusterIP
    if (JSON.stringify(spec.clusterIPs) === JSON.stringify(before.clusterIPs)) delete spec.clusterIPs
    if (JSON.stringify(spec.ipFamilies) === JSON.stringify(before.ipFamilies)) delete spec.ipFamilies
    if (spec.ipFamilyPolicy === before.ipFamilyPolicy) delete spec.ipFamilyPolicy
  }
  if (needsNodePorts(before) && !needsNodePorts(spec)) {
    const known = new Set((before.ports ?? []).map(({ nodePort }) => nodePort))
    if ((spec.ports ?? []).every(({ nodePort }) => !nodePort || known.has(nodePort)))
      for (const port of spec.ports ?? []) delete port.nodePort
  }
  const external = (s: ServiceSpec): boolean => needsNodePorts(s) || (s.type === 'ClusterIP' && (s.externalIPs ?? []).length > 0)
  if (external(before) && !external(spec) && spec.externalTrafficPolicy === before.externalTrafficPolicy) delete spec.externalTrafficPolicy
  const checked = (s: ServiceSpec): boolean => s.type === 'LoadBalancer' && s.externalTrafficPolicy === 'Local'
  if (checked(before) && !checked(spec) && spec.healthCheckNodePort === before.healthCheckNodePort) delete spec.healthCheckNodePort
  if (before.type === 'LoadBalancer' && spec.type !== 'LoadBalancer') {
    if (spec.allocateLoadBalancerNodePorts === before.allocateLoadBalancerNodePorts) delete spec.allocateLoadBalancerNodePorts
    if (spec.loadBalancerClass === before.loadBalancerClass) delete spec.loadBalancerClass
  }
}

/** Upstream stores what it never shows. */
function dropInternalPolicy({ spec }: Service): void {
  const { type, internalTrafficPolicy: policy } = spec ?? {}
  if (type === 'ExternalName' && (policy === 'Cluster' || policy === 'Local')) delete spec?.internalTrafficPolicy
}

function needsNoStatus(next: Service): boolean {
  return next.spec?.type !== 'LoadBalancer'
}

export const serviceStrategy: Strategy<Service> = {
  ...loadBalancerStatus,
  statusKeepsMetadata: true,
  returnsDeleted: true,
  allowCreateOnUpdate: true,
  validateName: nameIsDnsLabel,
  prepareForCreate(next, { services, subresource }) {
    // One that comes to be by its status gets neither addresses nor ports.
    if (!next.spec || subresource) return
    unifyAddresses(next.spec, undefined)
    dropInternalPolicy(next)
    services.initFamilies(next, undefined)
  },
  prepareForUpdate(next, old, { services }) {
    if (!next.spec || !old.spec) return
    unifyAddresses(next.spec, old.spec)
    keepAllocated(next, old)
    dropTypeDependent(next, old)
    dropInternalPolicy(next)
    services.initFamilies(next, old)
    if (needsNoStatus(next) && old.spec.type === 'LoadBalancer') next.status = { ...next.status, loadBalancer: {} }
  },
  validateCreate: (service) => validateService(service),
  validateUpdate: (next, old) => validateServiceUpdate(next, old),
  validateStatusUpdate: (next, old) => validateServiceStatus(next, old),
  warningsOnCreate: serviceWarnings,
  warningsOnUpdate: serviceWarnings,
  warningsOnStatusUpdate: loadBalancerWarnings,
  reserve: (next, old, { services, dryRun, subresource }) => (subresource ? undefined : services.allocate(next, old, { dryRun })),
  selectableFields: {
    'spec.clusterIP': (service) => service.spec?.clusterIP ?? '',
    'spec.type': (service) => service.spec?.type ?? '',
  },
  unknownFieldLabel: (label) => `field label not supported: ${label}`,
}

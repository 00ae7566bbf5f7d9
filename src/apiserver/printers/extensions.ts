/** Tables of the groups around the workloads: networking, storage, access, admission, coordination, flow control, devices. */
import type {
  MutatingAdmissionPolicy,
  MutatingAdmissionPolicyBinding,
  MutatingWebhookConfiguration,
  ValidatingAdmissionPolicy,
  ValidatingAdmissionPolicyBinding,
  ValidatingWebhookConfiguration,
} from '../../api/kinds/admissionregistration/v1.ts'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { CertificateSigningRequest } from '../../api/kinds/certificates/v1.ts'
import type { Lease } from '../../api/kinds/coordination/v1.ts'
import type { EndpointSlice } from '../../api/kinds/discovery/v1.ts'
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'
import type { IPAddress, Ingress, IngressClass, NetworkPolicy, ServiceCIDR } from '../../api/kinds/networking/v1.ts'
import type { RuntimeClass } from '../../api/kinds/node/v1.ts'
import type { ClusterRoleBinding, RoleBinding, Subject } from '../../api/kinds/rbac/v1.ts'
import type { ResourceClaim, ResourceSlice } from '../../api/kinds/resource/v1.ts'
import type { PriorityClass } from '../../api/kinds/scheduling/v1.ts'
import type { CSIDriver, CSINode, StorageClass, VolumeAttachment, VolumeAttributesClass } from '../../api/kinds/storage/v1.ts'
import { ingressAddresses, printer } from './core.ts'
import { AGE, NAME, age, boolean, formatLabelSelector, humanDuration, integer, nameOf, text, withMore } from './format.ts'
import type { Cell, Printer } from './printer.ts'

type Printers = Readonly<Record<string, Printer>>

function hosts(rules: readonly { host?: string }[] | undefined): string {
  const named: string[] = []
  let more = false
  for (const rule of rules ?? []) {
    if (named.length === 3) more = true
    if (!more && rule.host) named.push(rule.host)
  }
  if (named.length === 0) return '*'
  return more ? `${named.join(',')} + ${(rules ?? []).length - 3} more...` : named.join(',')
}

function ingressClassParameters({ spec }: IngressClass): string {
  const parameters = spec?.parameters
  if (!parameters) return '<none>'
  return `${parameters.kind}${parameters.apiGroup === undefined ? '' : `.${parameters.apiGroup}`}/${parameters.name}`
}

function markDefault(object: { metadata: { name: string; annotations?: Record<string, string> } }, ...annotations: string[]): string {
  const isDefault = annotations.some((annotation) => object.metadata.annotations?.[annotation] === 'true')
  return isDefault ? `${object.metadata.name} (default)` : (object.metadata.name ?? '')
}

function parentOf({ spec }: IPAddress): string {
  const parent = spec?.parentRef
  if (!parent) return '<none>'
  const resource = (parent.group ? `${parent.resource}.${parent.group}` : (parent.resource ?? '')).toLowerCase()
  return [resource, ...(parent.namespace ? [parent.namespace] : []), parent.name ?? ''].join('/')
}

export const networkingPrinters: Printers = {
  ingresses: printer<Ingress>([NAME, text('Class'), text('Hosts'), text('Address'), text('Ports'), AGE], (o, now) => [
    nameOf(o),
    o.spec?.ingressClassName ?? '<none>',
    hosts(o.spec?.rules),
    ingressAddresses(o.status?.loadBalancer?.ingress),
    o.spec?.tls?.length ? '80, 443' : '80',
    age(o, now),
  ]),
  ingressclasses: printer<IngressClass>([NAME, text('Controller'), text('Parameters'), AGE], (o, now) => [
    markDefault(o, 'ingressclass.kubernetes.io/is-default-class'),
    o.spec?.controller ?? '',
    ingressClassParameters(o),
    age(o, now),
  ]),
  networkpolicies: printer<NetworkPolicy>([NAME, text('Pod-Selector'), AGE], (o, now) => [
    nameOf(o),
    formatLabelSelector(o.spec?.podSelector),
    age(o, now),
  ]),
  servicecidrs: printer<ServiceCIDR>([NAME, text('CIDRs'), AGE], (o, now) => [nameOf(o), (o.spec?.cidrs ?? []).join(','), age(o, now)]),
  // Upstream prints an age here that it declares no column for.
  ipaddresses: printer<IPAddress>([NAME, text('ParentRef')], (o, now) => [nameOf(o), parentOf(o), age(o, now)]),
}

export const discoveryPrinters: Printers = {
  endpointslices: printer<EndpointSlice>([NAME, text('AddressType'), text('Ports'), text('Endpoints'), AGE], (o, now) => [
    nameOf(o),
    o.addressType ?? '',
    withMore(
      (o.ports ?? []).map((p) => (p.port === undefined ? (p.name ?? '*') : String(p.port))),
      3,
    ),
    withMore(
      (o.endpoints ?? []).flatMap((e) => e.addresses),
      3,
    ),
    age(o, now),
  ]),
}

export const storagePrinters: Printers = {
  storageclasses: printer<StorageClass>(
    [NAME, text('Provisioner'), text('ReclaimPolicy'), text('VolumeBindingMode'), text('AllowVolumeExpansion'), AGE],
    (o, now) => [
      markDefault(o, 'storageclass.kubernetes.io/is-default-class', 'storageclass.beta.kubernetes.io/is-default-class'),
      o.provisioner ?? '',
      o.reclaimPolicy ?? 'Delete',
      o.volumeBindingMode ?? 'Immediate',
      o.allowVolumeExpansion ?? false,
      age(o, now),
    ],
  ),
  volumeattributesclasses: printer<VolumeAttributesClass>([NAME, text('DriverName'), AGE], (o, now) => [
    nameOf(o),
    o.driverName ?? '',
    age(o, now),
  ]),
  volumeattachments: printer<VolumeAttachment>(
    [NAME, { name: 'Attacher', type: 'string', format: 'name' }, text('PV'), text('Node'), boolean('Attached'), AGE],
    (o, now) => [
      nameOf(o),
      o.spec?.attacher ?? '',
      o.spec?.source.persistentVolumeName ?? '',
      o.spec?.nodeName ?? '',
      o.status?.attached ?? false,
      age(o, now),
    ],
  ),
  csinodes: printer<CSINode>([NAME, integer('Drivers'), AGE], (o, now) => [nameOf(o), o.spec?.drivers?.length ?? 0, age(o, now)]),
  csidrivers: printer<CSIDriver>(
    [
      NAME,
      boolean('AttachRequired'),
      boolean('PodInfoOnMount'),
      boolean('StorageCapacity'),
      text('TokenRequests'),
      boolean('RequiresRepublish'),
      text('Modes'),
      AGE,
    ],
    (o, now) => [
      nameOf(o),
      o.spec?.attachRequired ?? true,
      o.spec?.podInfoOnMount ?? false,
      o.spec?.storageCapacity ?? false,
      o.spec?.tokenRequests ? o.spec.tokenRequests.map((t) => t.audience).join(',') : '<unset>',
      o.spec?.requiresRepublish ?? false,
      (o.spec?.volumeLifecycleModes ?? []).join(',') || '<none>',
      age(o, now),
    ],
  ),
}

function subjects(all: readonly Subject[] | undefined): Cell[] {
  const names = (kind: string): string =>
    (all ?? [])
      .filter((s) => s.kind === kind)
      .map((s) => s.name)
      .join(', ')
  const accounts = (all ?? [])
    .filter((s) => s.kind === 'ServiceAccount')
    .map((s) => `${s.namespace ?? ''}/${s.name}`)
    .join(', ')
  return [names('User'), names('Group'), accounts]
}

const BINDING = printer<RoleBinding | ClusterRoleBinding>(
  [NAME, text('Role'), AGE, text('Users', 1), text('Groups', 1), text('ServiceAccounts', 1)],
  (o, now) => [nameOf(o), `${o.roleRef?.kind ?? ''}/${o.roleRef?.name ?? ''}`, age(o, now), ...subjects(o.subjects)],
)

export const rbacPrinters: Printers = { rolebindings: BINDING, clusterrolebindings: BINDING }

function requestStatus({ status }: CertificateSigningRequest): string {
  const has = (type: string): boolean => (status?.conditions ?? []).some((c) => c.type === type)
  const decided = has('Denied') ? 'Denied' : has('Approved') ? 'Approved' : 'Pending'
  return `${decided}${has('Failed') ? ',Failed' : ''}${status?.certificate ? ',Issued' : ''}`
}

export const certificatesPrinters: Printers = {
  certificatesigningrequests: printer<CertificateSigningRequest>(
    [NAME, AGE, text('SignerName'), text('Requestor'), text('RequestedDuration'), text('Condition')],
    (o, now) => [
      nameOf(o),
      age(o, now),
      o.spec?.signerName || '<none>',
      o.spec?.username ?? '',
      o.spec?.expirationSeconds === undefined ? '<none>' : humanDuration(o.spec.expirationSeconds * 1000),
      requestStatus(o),
    ],
  ),
}

const WEBHOOKS = printer<MutatingWebhookConfiguration | ValidatingWebhookConfiguration>([NAME, integer('Webhooks'), AGE], (o, now) => [
  nameOf(o),
  o.webhooks?.length ?? 0,
  age(o, now),
])

function paramKind(kind: { apiVersion?: string; kind?: string } | undefined): string {
  return kind ? `${kind.apiVersion ?? ''}/${kind.kind ?? ''}` : '<unset>'
}

function paramRef({ spec }: ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding): string {
  const ref = spec?.paramRef
  if (!ref) return '<unset>'
  if (ref.name) return `${ref.namespace || '*'}/${ref.name}`
  return ref.selector ? formatLabelSelector(ref.selector) : '<unset>'
}

const POLICY_BINDING = printer<ValidatingAdmissionPolicyBinding | MutatingAdmissionPolicyBinding>(
  [NAME, text('PolicyName'), text('ParamRef'), AGE],
  (o, now) => [nameOf(o), o.spec?.policyName ?? '', paramRef(o), age(o, now)],
)

export const admissionPrinters: Printers = {
  mutatingwebhookconfigurations: WEBHOOKS,
  validatingwebhookconfigurations: WEBHOOKS,
  validatingadmissionpolicies: printer<ValidatingAdmissionPolicy>([NAME, integer('Validations'), text('ParamKind'), AGE], (o, now) => [
    nameOf(o),
    o.spec?.validations?.length ?? 0,
    paramKind(o.spec?.paramKind),
    age(o, now),
  ]),
  mutatingadmissionpolicies: printer<MutatingAdmissionPolicy>([NAME, integer('Mutations'), text('ParamKind'), AGE], (o, now) => [
    nameOf(o),
    o.spec?.mutations?.length ?? 0,
    paramKind(o.spec?.paramKind),
    age(o, now),
  ]),
  validatingadmissionpolicybindings: POLICY_BINDING,
  mutatingadmissionpolicybindings: POLICY_BINDING,
}

function dangling(o: FlowSchema): string {
  return o.status?.conditions?.find((c) => c.type === 'Dangling')?.status ?? '?'
}

export const flowcontrolPrinters: Printers = {
  flowschemas: printer<FlowSchema>(
    [NAME, text('PriorityLevel'), text('MatchingPrecedence'), text('DistinguisherMethod'), AGE, text('MissingPL')],
    (o, now) => [
      nameOf(o),
      o.spec?.priorityLevelConfiguration?.name ?? '',
      o.spec?.matchingPrecedence ?? 0,
      o.spec?.distinguisherMethod?.type ?? '<none>',
      age(o, now),
      dangling(o),
    ],
    {
      compare: (a, b) => {
        const [left, right] = [a as FlowSchema, b as FlowSchema]
        const by = (left.spec?.matchingPrecedence ?? 0) - (right.spec?.matchingPrecedence ?? 0)
        return by || (left.metadata.name < right.metadata.name ? -1 : 1)
      },
    },
  ),
  prioritylevelconfigurations: printer<PriorityLevelConfiguration>(
    [NAME, text('Type'), text('NominalConcurrencyShares'), text('Queues'), text('HandSize'), text('QueueLengthLimit'), AGE],
    (o, now) => {
      const limited = o.spec?.limited
      const queuing = limited?.limitResponse?.queuing
      return [
        nameOf(o),
        o.spec?.type ?? '',
        limited ? (limited.nominalConcurrencyShares ?? 0) : '<none>',
        queuing?.queues ?? '<none>',
        queuing?.handSize ?? '<none>',
        queuing?.queueLengthLimit ?? '<none>',
        age(o, now),
      ]
    },
  ),
}

function claimState({ metadata, status }: ResourceClaim): string {
  if (status?.allocation) {
    return [...(metadata.deletionTimestamp ? ['deleted'] : []), 'allocated', ...(status.reservedFor?.length ? ['reserved'] : [])].join(',')
  }
  return metadata.deletionTimestamp ? 'deleted' : 'pending'
}

const NAME_AND_AGE = printer([NAME, AGE], (o, now) => [nameOf(o), age(o, now)])

export const devicePrinters: Printers = {
  deviceclasses: NAME_AND_AGE,
  resourceclaimtemplates: NAME_AND_AGE,
  resourceclaims: printer<ResourceClaim>([NAME, text('State'), AGE], (o, now) => [nameOf(o), claimState(o), age(o, now)]),
  resourceslices: printer<ResourceSlice>([NAME, text('Node'), text('Driver'), text('Pool'), AGE], (o, now) => [
    nameOf(o),
    o.spec?.nodeName ?? '',
    o.spec?.driver ?? '',
    o.spec?.pool?.name ?? '',
    age(o, now),
  ]),
}

export const coordinationPrinters: Printers = {
  leases: printer<Lease>([NAME, text('Holder'), AGE], (o, now) => [nameOf(o), o.spec?.holderIdentity ?? '', age(o, now)]),
}

export const schedulingPrinters: Printers = {
  priorityclasses: printer<PriorityClass>([NAME, integer('Value'), boolean('Global-Default'), AGE, text('PreemptionPolicy')], (o, now) => [
    nameOf(o),
    o.value ?? 0,
    o.globalDefault ?? false,
    age(o, now),
    o.preemptionPolicy ?? '',
  ]),
}

export const nodePrinters: Printers = {
  runtimeclasses: printer<RuntimeClass>([NAME, { ...text('Handler'), description: '' }, AGE], (o, now) => [
    nameOf(o),
    o.handler ?? '',
    age(o, now),
  ]),
}

function availability({ status }: APIService): string {
  const available = status?.conditions?.find((c) => c.type === 'Available')
  if (!available) return 'Unknown'
  return available.status === 'True' ? 'True' : `${available.status} (${available.reason ?? ''})`
}

export const apiregistrationPrinters: Printers = {
  apiservices: printer<APIService>([NAME, text('Service'), text('Available'), AGE], (o, now) => [
    nameOf(o),
    o.spec?.service ? `${o.spec.service.namespace}/${o.spec.service.name}` : 'Local',
    availability(o),
    age(o, now),
  ]),
}

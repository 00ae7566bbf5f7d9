/**
 * Objects as upstream's internal types print themselves in messages: Go's names, all fields in Go's order, nothing left out.
 * The catalog knows the external types, whose fields are mostly the internal ones; the tables here say where they are not.
 */
import { loadCatalog } from '../catalog/load.ts'
import { asGiven, zeroValue } from '../codec/goShape.ts'
import type { Field, Schema, TypeDef } from '../catalog/schema.ts'
import type { JsonObject, JsonValue } from '../resource.ts'

let types: ReturnType<typeof loadCatalog> | undefined

/** Where the name in Go is not the JSON name with a capital. */
const NAMES: Readonly<Record<string, string>> = {
  apiGroup: 'APIGroup',
  apiGroups: 'APIGroups',
  apiVersion: 'APIVersion',
  awsElasticBlockStore: 'AWSElasticBlockStore',
  cel: 'CEL',
  cephfs: 'CephFS',
  chapAuthDiscovery: 'DiscoveryCHAPAuth',
  chapAuthSession: 'SessionCHAPAuth',
  cidr: 'CIDR',
  cidrs: 'CIDRs',
  csi: 'CSI',
  diskURI: 'DataDiskURI',
  dnsConfig: 'DNSConfig',
  dnsPolicy: 'DNSPolicy',
  endpoints: 'EndpointsName',
  fc: 'FC',
  fsGroup: 'FSGroup',
  fsGroupChangePolicy: 'FSGroupChangePolicy',
  fsType: 'FSType',
  gcePersistentDisk: 'GCEPersistentDisk',
  gmsaCredentialSpec: 'GMSACredentialSpec',
  gmsaCredentialSpecName: 'GMSACredentialSpecName',
  grpc: 'GRPC',
  httpGet: 'HTTPGet',
  httpHeaders: 'HTTPHeaders',
  ip: 'IP',
  ipBlock: 'IPBlock',
  ips: 'IPs',
  iqn: 'IQN',
  iscsi: 'ISCSI',
  iscsiInterface: 'ISCSIInterface',
  nfs: 'NFS',
  os: 'OS',
  pdName: 'PDName',
  rbd: 'RBD',
  seLinuxChangePolicy: 'SELinuxChangePolicy',
  seLinuxOptions: 'SELinuxOptions',
  sslEnabled: 'SSLEnabled',
  storageos: 'StorageOS',
  tcpSocket: 'TCPSocket',
  tls: 'TLS',
  tty: 'TTY',
  uid: 'UID',
  wwids: 'WWIDs',
}
const NAMES_OF_TYPES: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'core.v1.RBDVolumeSource': { monitors: 'CephMonitors', image: 'RBDImage', pool: 'RBDPool', user: 'RadosUser' },
  'core.v1.RBDPersistentVolumeSource': { monitors: 'CephMonitors', image: 'RBDImage', pool: 'RBDPool', user: 'RadosUser' },
  'resource.v1.DeviceAttribute': {
    bool: 'BoolValue',
    bools: 'BoolValues',
    int: 'IntValue',
    ints: 'IntValues',
    string: 'StringValue',
    strings: 'StringValues',
    version: 'VersionValue',
    versions: 'VersionValues',
  },
}

/** Where the order is not the external type's. */
const ORDERS: Readonly<Record<string, readonly string[]>> = {
  'core.v1.PodSpec':
    'volumes initContainers containers ephemeralContainers restartPolicy terminationGracePeriodSeconds activeDeadlineSeconds dnsPolicy nodeSelector serviceAccountName automountServiceAccountToken nodeName securityContext imagePullSecrets hostname subdomain setHostnameAsFQDN affinity schedulerName tolerations hostAliases priorityClassName priority preemptionPolicy dnsConfig readinessGates runtimeClassName overhead enableServiceLinks topologySpreadConstraints os schedulingGates resourceClaims resources hostnameOverride schedulingGroup'.split(
      ' ',
    ),
  'core.v1.PodSecurityContext':
    'seLinuxOptions windowsOptions runAsUser runAsGroup runAsNonRoot supplementalGroups supplementalGroupsPolicy fsGroup fsGroupChangePolicy sysctls seccompProfile appArmorProfile seLinuxChangePolicy'.split(
      ' ',
    ),
  'core.v1.Volume':
    'name hostPath emptyDir gcePersistentDisk awsElasticBlockStore gitRepo secret nfs iscsi glusterfs persistentVolumeClaim rbd quobyte flexVolume cinder cephfs flocker downwardAPI fc azureFile configMap vsphereVolume azureDisk photonPersistentDisk projected portworxVolume scaleIO storageos csi ephemeral image'.split(
      ' ',
    ),
  'core.v1.PersistentVolumeSpec':
    'capacity gcePersistentDisk awsElasticBlockStore hostPath glusterfs nfs rbd quobyte iscsi flexVolume cinder cephfs fc flocker azureFile vsphereVolume azureDisk photonPersistentDisk portworxVolume scaleIO local storageos csi accessModes claimRef persistentVolumeReclaimPolicy storageClassName mountOptions volumeMode nodeAffinity volumeAttributesClassName'.split(
      ' ',
    ),
}

const API = 'io.k8s.api.'

function nameOf(type: string, field: string): string {
  return NAMES_OF_TYPES[type]?.[field] ?? NAMES[field] ?? `${field[0]?.toUpperCase()}${field.slice(1)}`
}

function fieldsOf(type: string, { fields, fieldByName }: TypeDef): readonly Field[] {
  const order = ORDERS[type]
  return order ? order.flatMap((name) => fieldByName.get(name) ?? []) : fields
}

function printStruct(def: TypeDef, value: JsonObject): JsonObject {
  const type = def.name.slice(API.length)
  const shown: JsonObject = {}
  for (const field of fieldsOf(type, def)) {
    if (EMBEDS_METADATA.has(type) && field.name === 'metadata') Object.assign(shown, sorted(value['metadata'] ?? {}))
    else shown[nameOf(type, field.name)] = printField(field, asGiven(value, field.name))
  }
  if (type === 'core.v1.PodSpec') moveHostFields(def, value, shown)
  return shown
}

/** Go's encoder lifts the members of an embedded ObjectMeta. */
const EMBEDS_METADATA = new Set([
  'core.v1.PodTemplateSpec',
  'core.v1.PersistentVolumeClaimTemplate',
  'batch.v1.JobTemplateSpec',
  'resource.v1.ResourceClaimTemplateSpec',
])

const HOST_FIELDS = ['hostNetwork', 'hostPID', 'hostIPC', 'shareProcessNamespace', 'hostUsers']

/** What a pod shares with its host is part of the internal type's security context. */
function moveHostFields(def: TypeDef, value: JsonObject, shown: JsonObject): void {
  const host: JsonObject = {}
  for (const name of HOST_FIELDS) {
    const field = def.fieldByName.get(name)
    if (field) host[nameOf('', name)] = printField(field, asGiven(value, name))
  }
  shown['SecurityContext'] = { ...host, ...(shown['SecurityContext'] as JsonObject | null) }
}

function printField({ schema, go }: Field, value: JsonValue | undefined): JsonValue {
  if (value !== undefined && value !== null) return print(schema, value)
  if (go?.pointer) return null
  if (schema.type === 'object') return print(schema, {})
  return zeroValue(schema)
}

function print(schema: Schema, value: JsonValue): JsonValue {
  switch (schema.type) {
    case 'object':
      return schema.def.name.startsWith(API) ? printStruct(schema.def, value as JsonObject) : sorted(value)
    case 'array':
      return (value as JsonValue[]).map((item) => print(schema.items, item))
    case 'map':
      return Object.fromEntries(
        Object.entries(value as JsonObject)
          .sort(byKey)
          .map(([key, item]) => [key, print(schema.values, item)]),
      )
    default:
      return value
  }
}

const byKey = ([a]: [string, unknown], [b]: [string, unknown]): number => (a < b ? -1 : 1)

/** Types of apimachinery print as JSON does, maps by key. */
function sorted(value: JsonValue): JsonValue {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return value
  const shown = { ...value }
  for (const name of ['matchLabels', 'labels', 'annotations'])
    if (shown[name]) shown[name] = Object.fromEntries(Object.entries(shown[name]).sort(byKey))
  return shown
}

/** `type` as in `storage.v1.CSINodeDriver`. A value that is not there prints as null. */
export function goInternal(type: string, value: object | undefined): JsonValue {
  if (value === undefined) return null
  types ??= loadCatalog()
  const def = types.type(API + type)
  if (!def) throw new Error(`no type ${type}`)
  return printStruct(def, value as JsonObject)
}

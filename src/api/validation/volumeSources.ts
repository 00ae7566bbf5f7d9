/** Volume sources that pods and persistent volumes share: what each kind of volume must say. */
import { check, forbidden, invalid, notSupported, required, tooLong } from './fieldErrors.ts'
import { isDns1123Label, isDns1123Subdomain } from './names.ts'
import { checkNoBacksteps } from './values.ts'
import type {
  AzureDiskVolumeSource,
  FCVolumeSource,
  FlexVolumeSource,
  FlockerVolumeSource,
  HostPathVolumeSource,
  ISCSIVolumeSource,
  NFSVolumeSource,
  QuobyteVolumeSource,
  StorageOSVolumeSource,
} from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

/** How one source is checked; `volumeName` is the volume's or the persistent volume's, `volume` what the source is a member of. */
export type SourceRule<S> = (errors: FieldError[], source: S, path: string, volumeName: string, volume?: object) => void
/** Rules by field name, in the order in which upstream looks at the fields. */
export type SourceRules<T> = { readonly [K in keyof T]?: SourceRule<NonNullable<T[K]>> }

/** Where upstream's paths differ from the field's name. */
const RULE_PATHS: Readonly<Record<string, string>> = { gcePersistentDisk: 'persistentDisk' }
const SECOND_PATHS: Readonly<Record<string, string>> = { cephfs: 'cephFS', downwardAPI: 'downwarAPI' }

/** Exactly one source. `besideOthers`: the one that upstream takes beside another. */
export function checkSources<T extends object>(
  errors: FieldError[],
  source: T,
  rules: SourceRules<T>,
  path: string,
  volumeName: string,
  besideOthers?: keyof T,
): void {
  let found = false
  for (const field in source) {
    const rule = rules[field] as SourceRule<unknown> | undefined
    if (!rule || !source[field]) continue
    if (found) {
      checkAllSources(errors, source, rules, path, volumeName, besideOthers)
      return
    }
    found = true
  }
  if (!found) errors.push(required(path, 'must specify a volume type'))
  else checkAllSources(errors, source, rules, path, volumeName)
}

/** The first source counts; upstream's order says which one is first. */
function checkAllSources<T extends object>(
  errors: FieldError[],
  source: T,
  rules: SourceRules<T>,
  path: string,
  volumeName: string,
  besideOthers?: keyof T,
): void {
  let found = false
  for (const field in rules) {
    const given = source[field as keyof T]
    if (!given) continue
    if (found && field !== besideOthers)
      errors.push(forbidden(`${path}.${SECOND_PATHS[field] ?? field}`, 'may not specify more than 1 volume type'))
    else (rules[field as keyof T] as SourceRule<unknown>)(errors, given, `${path}.${RULE_PATHS[field] ?? field}`, volumeName, source)
    found = true
  }
}

/** A source whose only rule is that some fields are there. */
function needs<S>(...fields: readonly (keyof S & string)[]): SourceRule<S> {
  return (errors, source, path) => {
    for (const field of fields) {
      const value = source[field]
      if (!value || (Array.isArray(value) && value.length === 0)) errors.push(required(`${path}.${field}`))
    }
  }
}

const PARTITION = 'must be between 1 and 255, inclusive'
const LUN = 'must be between 0 and 255, inclusive'

/** Disks of clouds: an id, and a partition of it. */
function needsDisk<S extends { partition?: number }>(id: keyof S & string): SourceRule<S> {
  const needsId = needs<S>(id)
  return (errors, source, path, name) => {
    needsId(errors, source, path, name)
    const partition = source.partition ?? 0
    if (partition < 0 || partition > 255) errors.push(invalid(`${path}.partition`, partition, PARTITION))
  }
}

const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']

const checkHostPath: SourceRule<HostPathVolumeSource> = (errors, source, path) => {
  if (!source.path) {
    errors.push(required(`${path}.path`))
    return
  }
  checkNoBacksteps(errors, `${path}.path`, source.path)
  if (source.type !== undefined && !HOST_PATH_TYPES.includes(source.type))
    errors.push(notSupported(`${path}.type`, source.type, HOST_PATH_TYPES))
}

const checkNfs: SourceRule<NFSVolumeSource> = (errors, source, path) => {
  if (!source.server) errors.push(required(`${path}.server`))
  if (!source.path) errors.push(required(`${path}.path`))
  if (!source.path.startsWith('/')) errors.push(invalid(`${path}.path`, source.path, 'must be an absolute path'))
}

const IQN_RE = /iqn\.\d{4}-\d{2}\.([A-Za-z0-9-.]+)(:[^,;*&$|\s]+)$/
const EUI_RE = /^eui.[A-Za-z0-9]{16}$/
const NAA_RE = /^naa.[A-Za-z0-9]{32}$/
const PORTAL_LIMIT = 64
const PORTAL_TEXT = 'Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters if iscsi.initiatorName is specified.'

function checkIqn(errors: FieldError[], value: string, path: string, unknownText: string): void {
  const rule = value.startsWith('iqn') ? IQN_RE : value.startsWith('eui') ? EUI_RE : value.startsWith('naa') ? NAA_RE : undefined
  if (!rule) errors.push(invalid(path, value, unknownText))
  else if (!rule.test(value)) errors.push(invalid(path, value, 'must be valid format'))
}

/** Pods and persistent volumes differ in a text and in where a portal that is too long is shown. */
export function checkIscsi(
  errors: FieldError[],
  source: Omit<ISCSIVolumeSource, 'secretRef'> & { secretRef?: { name?: string } },
  path: string,
  volumeName: string,
  ofPod: boolean,
): void {
  const { targetPortal, iqn, lun, initiatorName, secretRef } = source
  const isLong = initiatorName !== undefined && Buffer.byteLength(`${volumeName}:${targetPortal}`) > PORTAL_LIMIT
  const unknownText = ofPod ? 'must be valid format starting with iqn, eui, or naa' : 'must be valid format'
  if (!targetPortal) errors.push(required(`${path}.targetPortal`))
  if (isLong && !ofPod) errors.push(invalid(`${path}.targetportal`, targetPortal, PORTAL_TEXT))
  if (!iqn) errors.push(required(`${path}.iqn`))
  else checkIqn(errors, iqn, `${path}.iqn`, unknownText)
  if (lun < 0 || lun > 255) errors.push(invalid(`${path}.lun`, lun, LUN))
  if ((source.chapAuthDiscovery || source.chapAuthSession) && !secretRef) errors.push(required(`${path}.secretRef`))
  if (!ofPod && secretRef && !secretRef.name) errors.push(required(`${path}.secretRef.name`))
  if (initiatorName !== undefined) checkIqn(errors, initiatorName, `${path}.initiatorname`, unknownText)
  if (isLong && ofPod) errors.push(invalid(`${path.slice(0, path.lastIndexOf('.'))}.name`, volumeName, PORTAL_TEXT))
}

const checkFibreChannel: SourceRule<FCVolumeSource> = (errors, { targetWWNs = [], wwids = [], lun }, path) => {
  if (targetWWNs.length === 0 && wwids.length === 0)
    errors.push(required(`${path}.targetWWNs`, 'must specify either targetWWNs or wwids, but not both'))
  if (targetWWNs.length === 0) return
  if (wwids.length > 0) errors.push(invalid(`${path}.targetWWNs`, targetWWNs, 'targetWWNs and wwids can not be specified simultaneously'))
  if (lun === undefined) errors.push(required(`${path}.lun`, 'lun is required if targetWWNs is specified'))
  else if (lun < 0 || lun > 255) errors.push(invalid(`${path}.lun`, lun, LUN))
}

const HOST_PORT_RE = /^(\[[^\]]*\]|[^:[\]]*):[^:]*$/
const HOST_PORTS = 'must be a host:port pair or multiple pairs separated by commas'

const checkQuobyte: SourceRule<QuobyteVolumeSource> = (errors, { registry, tenant = '', volume }, path) => {
  if (!registry) errors.push(required(`${path}.registry`, HOST_PORTS))
  else if (Buffer.byteLength(tenant) >= 65)
    errors.push(required(`${path}.tenant`, 'must be a UUID and may not exceed a length of 64 characters'))
  else for (const pair of registry.split(',')) if (!HOST_PORT_RE.test(pair)) errors.push(invalid(`${path}.registry`, registry, HOST_PORTS))
  if (!volume) errors.push(required(`${path}.volume`))
}

const checkFlocker: SourceRule<FlockerVolumeSource> = (errors, { datasetName = '', datasetUUID = '' }, path) => {
  if (!datasetName && !datasetUUID) errors.push(required(path, 'one of datasetName and datasetUUID is required'))
  if (datasetName && datasetUUID) errors.push(invalid(path, 'resource', 'datasetName and datasetUUID can not be specified simultaneously'))
  if (datasetName.includes('/')) errors.push(invalid(`${path}.datasetName`, datasetName, "must not contain '/'"))
}

const checkFlex: SourceRule<Pick<FlexVolumeSource, 'driver' | 'options'>> = (errors, { driver, options = {} }, path) => {
  if (!driver) errors.push(required(`${path}.driver`))
  for (const key of Object.keys(options)) {
    const domain = `.${(key.split('/')[0] as string).toLowerCase()}`
    if (domain.endsWith('.kubernetes.io') || domain.endsWith('.k8s.io')) {
      errors.push(invalid(`${path}.options[${key}]`, key, 'kubernetes.io and k8s.io namespaces are reserved'))
    }
  }
}

const CACHING = ['None', 'ReadOnly', 'ReadWrite']
const AZURE_KINDS = ['Dedicated', 'Managed', 'Shared']

const checkAzureDisk: SourceRule<AzureDiskVolumeSource> = (errors, { diskName, diskURI, cachingMode, kind }, path) => {
  if (!diskName) errors.push(required(`${path}.diskName`))
  if (!diskURI) errors.push(required(`${path}.diskURI`))
  if (cachingMode !== undefined && !CACHING.includes(cachingMode)) errors.push(notSupported(`${path}.cachingMode`, cachingMode, CACHING))
  if (kind === undefined) return
  if (!AZURE_KINDS.includes(kind)) errors.push(notSupported(`${path}.kind`, kind, AZURE_KINDS))
  if (kind === 'Managed' && !diskURI.startsWith('/subscriptions/')) {
    const shape = '/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}'
    errors.push(notSupported(`${path}.diskURI`, diskURI, [shape]))
  }
  if (kind !== 'Managed' && !diskURI.startsWith('https://')) {
    errors.push(notSupported(`${path}.diskURI`, diskURI, ['https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd']))
  }
}

const checkStorageOs: SourceRule<Pick<StorageOSVolumeSource, 'volumeName' | 'volumeNamespace'> & { secretRef?: { name?: string } }> = (
  errors,
  source,
  path,
) => {
  const { volumeName, volumeNamespace, secretRef } = source
  if (!volumeName) errors.push(required(`${path}.volumeName`))
  else check(errors, `${path}.volumeName`, volumeName, isDns1123Label(volumeName))
  if (volumeNamespace) check(errors, `${path}.volumeNamespace`, volumeNamespace, isDns1123Label(volumeNamespace))
  if (secretRef && !secretRef.name) errors.push(required(`${path}.secretRef.name`))
}

const CSI_DRIVER_NAME_LIMIT = 63

export function checkCsiDriverName(errors: FieldError[], name: string, path: string): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  if (Buffer.byteLength(name) > CSI_DRIVER_NAME_LIMIT) errors.push(tooLong(path, CSI_DRIVER_NAME_LIMIT))
  check(errors, path, name, isDns1123Subdomain(name.toLowerCase()))
}

interface SecretName {
  secretRef?: { name?: string }
}

const checkCinder: SourceRule<{ volumeID: string } & SecretName> = (errors, { volumeID, secretRef }, path) => {
  if (!volumeID) errors.push(required(`${path}.volumeID`))
  if (secretRef && !secretRef.name) errors.push(required(`${path}.secretRef.name`))
}

/** What a pod's volume and a persistent volume have to say alike of the same source. */
export const SHARED_RULES = {
  hostPath: checkHostPath,
  gcePersistentDisk: needsDisk<{ pdName: string; partition?: number }>('pdName'),
  awsElasticBlockStore: needsDisk<{ volumeID: string; partition?: number }>('volumeID'),
  nfs: checkNfs,
  glusterfs: needs<{ endpoints: string; path: string }>('endpoints', 'path'),
  flocker: checkFlocker,
  rbd: needs<{ monitors: string[]; image: string }>('monitors', 'image'),
  cinder: checkCinder,
  cephfs: needs<{ monitors: string[] }>('monitors'),
  quobyte: checkQuobyte,
  fc: checkFibreChannel,
  flexVolume: checkFlex,
  azureFile: needs<{ secretName: string; shareName: string }>('secretName', 'shareName'),
  vsphereVolume: needs<{ volumePath: string }>('volumePath'),
  photonPersistentDisk: needs<{ pdID: string }>('pdID'),
  portworxVolume: needs<{ volumeID: string }>('volumeID'),
  azureDisk: checkAzureDisk,
  storageos: checkStorageOs,
  scaleIO: needs<{ gateway: string; system: string; volumeName?: string }>('gateway', 'system', 'volumeName'),
} as const

/** The rules in the order of `fields`, names of sources with spaces between them. */
export function inOrder<T>(fields: string, rules: SourceRules<T>): SourceRules<T> {
  return Object.fromEntries(fields.split(' ').map((field) => [field, rules[field as keyof T]])) as SourceRules<T>
}

/** storage.k8s.io (pkg/apis/storage/validation), in upstream's order. */
import { asGiven } from '../codec/goShape.ts'
import { deepEqual } from '../meta.ts'
import { checkAccessModes } from './claimSpec.ts'
import { check, duplicate, forbidden, goMap, invalid, notSupported, required, tooLong } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { shownSelector, validateLabelSelector } from './labels.ts'
import { isQualifiedName, nameIsDnsSubdomain } from './names.ts'
import { VOLUME_RULES } from './persistentVolumes.ts'
import { nanosOf } from './quantities.ts'
import { NOT_NEGATIVE, checkImmutable, checkNotNegative, validateEnum } from './values.ts'
import { checkCsiDriverName, checkSources } from './volumeSources.ts'
import type {
  CSIDriver,
  CSINode,
  CSINodeDriver,
  CSIStorageCapacity,
  StorageClass,
  VolumeAttachment,
  VolumeAttributesClass,
  VolumeError,
} from '../kinds/storage/v1.ts'
import type { PersistentVolumeSpec, TopologySelectorTerm } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const PARAMETERS_LIMIT = 512
const PARAMETERS_LIMIT_BYTES = 256 * 1024

type Parameters = Readonly<Record<string, string>>

function checkParameters(errors: FieldError[], parameters: Parameters = {}, path: string): void {
  const entries = Object.entries(parameters)
  if (entries.length > PARAMETERS_LIMIT) {
    errors.push(tooLong(path, PARAMETERS_LIMIT))
    return
  }
  for (const [key] of entries) if (key === '') errors.push(invalid(path, key, 'field can not be empty.'))
  if (sizeBytes(parameters) > PARAMETERS_LIMIT_BYTES) errors.push(tooLong(path, PARAMETERS_LIMIT_BYTES))
}

function sizeBytes(parameters: Parameters): number {
  return Object.entries(parameters).reduce((sum, [key, value]) => sum + Buffer.byteLength(key) + Buffer.byteLength(value), 0)
}

function checkProvisioner(errors: FieldError[], provisioner: string, path: string): void {
  const name = provisioner.toLowerCase()
  if (name) check(errors, path, name, isQualifiedName(name))
  else errors.push(required(path))
}

/** Values by key, as the duplicate of a term is found; a key that comes twice counts as it came last. */
function checkTopologyTerm(errors: FieldError[], term: TopologySelectorTerm, path: string): Record<string, readonly string[]> {
  const values: Record<string, readonly string[]> = {}
  for (const [i, { key, values: given }] of (term.matchLabelExpressions ?? []).entries()) {
    const [at, list] = [`${path}.matchLabelExpressions[${i}]`, given ?? []]
    if (list.length === 0) errors.push(required(`${at}.values`))
    for (const [j, value] of list.entries()) if (list.indexOf(value) < j) errors.push(duplicate(`${at}.values[${j}]`, value))
    check(errors, `${at}.key`, key, isQualifiedName(key))
    if (Object.hasOwn(values, key)) errors.push(duplicate(`${at}.key`, key))
    values[key] = [...new Set(list)].sort()
  }
  return values
}

function checkTopologies(errors: FieldError[], terms: readonly TopologySelectorTerm[], path: string): void {
  const seen: Record<string, readonly string[]>[] = []
  for (const [i, term] of terms.entries()) {
    const values = checkTopologyTerm(errors, term, `${path}[${i}]`)
    const doubles = seen.filter((other) => deepEqual(other, values)).length
    // A term without rules equals the places that upstream has made for all terms beforehand.
    const count = doubles + (Object.keys(values).length === 0 ? terms.length : 0)
    for (let n = 0; n < count; n++) errors.push(duplicate(`${path}[${i}].matchLabelExpressions`, ''))
    seen.push(values)
  }
}

export function validateStorageClass(storageClass: StorageClass): FieldError[] {
  const { provisioner, parameters, reclaimPolicy, volumeBindingMode, allowedTopologies = [] } = storageClass
  const errors: FieldError[] = []
  checkProvisioner(errors, provisioner, 'provisioner')
  checkParameters(errors, parameters, 'parameters')
  if (reclaimPolicy) errors.push(...validateEnum(reclaimPolicy, 'reclaimPolicy', ['Delete', 'Retain']))
  if (volumeBindingMode === undefined) errors.push(required('volumeBindingMode'))
  else errors.push(...validateEnum(volumeBindingMode, 'volumeBindingMode', ['Immediate', 'WaitForFirstConsumer']))
  checkTopologies(errors, allowedTopologies, 'allowedTopologies')
  return errors
}

export function validateStorageClassUpdate(next: StorageClass, old: StorageClass): FieldError[] {
  const errors = validateStorageClass(next)
  checkImmutable(errors, 'parameters', next.parameters ?? {}, old.parameters ?? {}, goMap(asGiven(next, 'parameters')))
  checkImmutable(errors, 'provisioner', next.provisioner, old.provisioner)
  checkImmutable(errors, 'reclaimPolicy', next.reclaimPolicy, old.reclaimPolicy)
  checkImmutable(errors, 'volumeBindingMode', next.volumeBindingMode, old.volumeBindingMode)
  return errors
}

const SHORTEST_TOKEN_SECONDS = 600
const SHORTEST_PERIOD_SECONDS = 10
const LIFECYCLE_MODES = ['Persistent', 'Ephemeral']

function checkTokenRequests(errors: FieldError[], requests: NonNullable<CSIDriver['spec']>['tokenRequests'] = []): void {
  const seen = new Set<string>()
  for (const [i, { audience, expirationSeconds }] of requests.entries()) {
    const at = `spec.tokenRequests[${i}]`
    if (seen.has(audience)) {
      errors.push(duplicate(`${at}.audience`, audience))
      continue
    }
    seen.add(audience)
    if (expirationSeconds === undefined) continue
    if (expirationSeconds < SHORTEST_TOKEN_SECONDS)
      errors.push(invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration less than 10 minutes'))
    if (expirationSeconds > 2 ** 32)
      errors.push(invalid(`${at}.expirationSeconds`, expirationSeconds, 'may not specify a duration larger than 2^32 seconds'))
  }
}

export function validateCsiDriver({ spec = {} }: CSIDriver): FieldError[] {
  const errors: FieldError[] = []
  const { volumeLifecycleModes = [], nodeAllocatableUpdatePeriodSeconds: period, serviceAccountTokenInSecrets: inSecrets } = spec
  errors.push(...validateEnum(spec.fsGroupPolicy, 'spec.fsGroupPolicy', ['File', 'None', 'ReadWriteOnceWithFSType']))
  checkTokenRequests(errors, spec.tokenRequests)
  for (const mode of volumeLifecycleModes) {
    if (!LIFECYCLE_MODES.includes(mode)) errors.push(notSupported('spec.volumeLifecycleModes', mode, LIFECYCLE_MODES))
  }
  if (period !== undefined && period < SHORTEST_PERIOD_SECONDS)
    errors.push(invalid('spec.nodeAllocatableUpdatePeriodSeconds', period, 'must be greater than or equal to 10 seconds'))
  if (inSecrets !== undefined && !spec.tokenRequests?.length) {
    const text = 'serviceAccountTokenInSecrets is set but no tokenRequests are specified'
    errors.push(invalid('spec.serviceAccountTokenInSecrets', inSecrets, text))
  }
  return errors
}

export function validateCsiDriverUpdate(next: CSIDriver, old: CSIDriver): FieldError[] {
  const errors = validateCsiDriver(next)
  const [spec, before] = [next.spec ?? {}, old.spec ?? {}]
  checkImmutable(errors, 'spec.attachedRequired', spec.attachRequired, before.attachRequired)
  checkImmutable(errors, 'spec.volumeLifecycleModes', spec.volumeLifecycleModes, before.volumeLifecycleModes)
  return errors
}

const TOKENS_ARE_LOGGED =
  'spec.serviceAccountTokenInSecrets is unset; if supported by this CSI driver, set to true to prevent possible logging of tokens in volume attributes'

export function csiDriverWarnings({ spec = {} }: CSIDriver, old?: CSIDriver): string[] {
  if (!spec.tokenRequests?.length || spec.serviceAccountTokenInSecrets !== undefined) return []
  return old && deepEqual(spec.tokenRequests, old.spec?.tokenRequests) ? [] : [TOKENS_ARE_LOGGED]
}

const NODE_ID_LIMIT_BYTES = 256

function checkNodeDriver(errors: FieldError[], driver: CSINodeDriver, names: Set<string>, path: string): void {
  const { name, nodeID, allocatable } = driver
  const keys = driver.topologyKeys ?? []
  checkCsiDriverName(errors, name, `${path}.name`)
  if (!nodeID) errors.push(required(`${path}.nodeID`))
  if (Buffer.byteLength(nodeID) > NODE_ID_LIMIT_BYTES)
    errors.push(invalid(`${path}.nodeID`, nodeID, `must be ${NODE_ID_LIMIT_BYTES} characters or less`))
  checkNotNegative(errors, `${path}.allocatable.count`, allocatable?.count)
  if (names.has(name)) errors.push(duplicate(`${path}.name`, name))
  names.add(name)
  for (const [i, key] of keys.entries()) {
    if (!key) errors.push(required(path))
    if (keys.indexOf(key) < i) errors.push(duplicate(path, key))
    check(errors, path, key, isQualifiedName(key))
  }
}

export function validateCsiNode({ spec }: CSINode): FieldError[] {
  const errors: FieldError[] = []
  const names = new Set<string>()
  for (const [i, driver] of (spec?.drivers ?? []).entries()) checkNodeDriver(errors, driver, names, `spec.drivers[${i}]`)
  return errors
}

export function validateCsiNodeUpdate(next: CSINode, old: CSINode): FieldError[] {
  const errors = validateCsiNode(next)
  for (const { allocatable: _, ...before } of old.spec?.drivers ?? []) {
    for (const { allocatable: __, ...driver } of next.spec?.drivers ?? []) {
      if (driver.name !== before.name) continue
      checkImmutable(errors, 'spec.drivers', driver, before, goInternal('storage.v1.CSINodeDriver', driver))
    }
  }
  return errors
}

/** A volume that is named in no object of its own. */
function checkInlineVolume(errors: FieldError[], spec: PersistentVolumeSpec, path: string): void {
  const { accessModes = [], persistentVolumeReclaimPolicy: policy, volumeMode } = spec
  const text = 'in the context of inline volumes'
  const refuse = (field: string, isGiven: unknown): void => {
    if (isGiven) errors.push(forbidden(`${path}.${field}`, `may not be specified ${text}`))
  }
  refuse('claimRef', spec.claimRef)
  refuse('capacity', Object.keys(spec.capacity ?? {}).length > 0)
  if (!spec.csi) errors.push(required(`${path}.csi`, `has to be specified ${text}`))
  if (accessModes.length === 0) errors.push(required(`${path}.accessModes`))
  checkAccessModes(errors, accessModes, `${path}.accessModes`)
  if (policy && policy !== 'Retain') errors.push(forbidden(`${path}.persistentVolumeReclaimPolicy`, `may only be Retain ${text}`))
  refuse('nodeAffinity', spec.nodeAffinity)
  checkSources(errors, spec, VOLUME_RULES, path, '', 'flexVolume')
  refuse('storageClassName', spec.storageClassName)
  if (volumeMode !== undefined && volumeMode !== 'Filesystem')
    errors.push(forbidden(`${path}.volumeMode`, `may not specify volumeMode other than Filesystem ${text}`))
}

const METADATA_LIMIT_BYTES = 256 * 1024
const MESSAGE_LIMIT_BYTES = 1024

function checkVolumeError(errors: FieldError[], error: VolumeError | undefined, path: string): void {
  if (!error) return
  // Upstream names the limit of the metadata here.
  if (Buffer.byteLength(error.message ?? '') > MESSAGE_LIMIT_BYTES) errors.push(tooLong(`${path}.message`, METADATA_LIMIT_BYTES))
  if ((error.errorCode ?? 0) < 0) errors.push(invalid(`${path}.errorCode`, error.errorCode, 'must be between 0 and 2147483647, inclusive'))
}

export function validateVolumeAttachment({ spec, status }: VolumeAttachment): FieldError[] {
  const { attacher = '', nodeName = '', source = {} } = spec ?? {}
  const { inlineVolumeSpec: inline, persistentVolumeName: name } = source
  const errors: FieldError[] = []
  const text = 'must specify exactly one of inlineVolumeSpec and persistentVolumeName'
  checkCsiDriverName(errors, attacher, 'spec.attacher')
  if (!inline && name === undefined) errors.push(required('spec.source', text))
  else if (inline && name !== undefined) errors.push(forbidden('spec.source', text))
  else if (inline) checkInlineVolume(errors, inline, 'spec.source.inlineVolumeSpec')
  else if (!name) errors.push(required('spec.source.persistentVolumeName', 'must specify non empty persistentVolumeName'))
  check(errors, 'spec.nodeName', nodeName, nameIsDnsSubdomain(nodeName, false))
  if (sizeBytes(status?.attachmentMetadata ?? {}) > METADATA_LIMIT_BYTES)
    errors.push(tooLong('status.attachmentMetadata', METADATA_LIMIT_BYTES))
  checkVolumeError(errors, status?.attachError, 'status.attachError')
  checkVolumeError(errors, status?.detachError, 'status.detachError')
  if (name !== undefined) check(errors, 'spec.source.persistentVolumeName', name, nameIsDnsSubdomain(name, false))
  return errors
}

export function validateVolumeAttachmentUpdate(next: VolumeAttachment, old: VolumeAttachment): FieldError[] {
  const errors = validateVolumeAttachment(next)
  if (!deepEqual(next.spec, old.spec))
    checkImmutable(errors, 'spec', next.spec, old.spec, goInternal('storage.v1.VolumeAttachmentSpec', next.spec))
  return errors
}

export function validateCsiStorageCapacity({ nodeTopology, storageClassName, capacity }: CSIStorageCapacity): FieldError[] {
  const errors = validateLabelSelector(nodeTopology, 'nodeTopology')
  check(errors, 'storageClassName', storageClassName, nameIsDnsSubdomain(storageClassName, false))
  if (capacity !== undefined && nanosOf(capacity) < 0n) errors.push(invalid('capacity', capacity, NOT_NEGATIVE))
  return errors
}

export function validateCsiStorageCapacityChange(next: CSIStorageCapacity, old: CSIStorageCapacity): FieldError[] {
  const errors: FieldError[] = []
  checkImmutable(errors, 'nodeTopology', next.nodeTopology, old.nodeTopology, shownSelector(next.nodeTopology))
  checkImmutable(errors, 'storageClassName', next.storageClassName, old.storageClassName)
  return errors
}

export function validateVolumeAttributesClass({ driverName, parameters = {} }: VolumeAttributesClass): FieldError[] {
  const errors: FieldError[] = []
  checkProvisioner(errors, driverName, 'driverName')
  checkParameters(errors, parameters, 'parameters')
  if (Object.keys(parameters).length === 0) errors.push(required('parameters', 'must contain at least one key/value pair'))
  return errors
}

export function validateVolumeAttributesClassUpdate(next: VolumeAttributesClass, old: VolumeAttributesClass): FieldError[] {
  const errors: FieldError[] = []
  if (next.driverName !== old.driverName) errors.push(forbidden('driverName', 'updates to driverName are forbidden.'))
  if (!deepEqual(next.parameters ?? {}, old.parameters ?? {})) errors.push(forbidden('parameters', 'updates to parameters are forbidden.'))
  return [...errors, ...validateVolumeAttributesClass(next)]
}

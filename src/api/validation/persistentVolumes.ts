/** PersistentVolumes and the claims on them (pkg/apis/core/validation). */
import { asGiven } from '../codec/goShape.ts'
import { deepEqual } from '../meta.ts'
import { VOLUME_MODES, checkAccessModes, checkClaimSpec } from './claimSpec.ts'
import { check, forbidden, goMap, invalid, notSupported, required } from './fieldErrors.ts'
import { goInternal } from './goInternal.ts'
import { lineDiff } from './lineDiff.ts'
import { isDns1123Label, isDns1123Subdomain, isQualifiedName, nameIsDnsLabel, nameIsDnsSubdomain } from './names.ts'
import { checkNodeSelector } from './nodeSelectors.ts'
import { nanosOf } from './quantities.ts'
import { isNativeResource } from './resourceNames.ts'
import { NOT_POSITIVE, checkImmutable, checkNoBacksteps } from './values.ts'
import { SHARED_RULES, checkCsiDriverName, checkIscsi, checkSources, inOrder } from './volumeSources.ts'
import type {
  NodeSelector,
  PersistentVolume,
  PersistentVolumeClaim,
  PersistentVolumeClaimSpec,
  PersistentVolumeSpec,
  SecretReference,
} from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

function needsNamespace(errors: FieldError[], secret: { namespace?: string } | undefined, path: string): void {
  if (secret && !secret.namespace) errors.push(required(`${path}.secretRef.namespace`))
}

/** A secret that a volume's driver is given, in whatever namespace it is. */
function checkSecret(errors: FieldError[], { name, namespace }: SecretReference, path: string): void {
  if (!name) errors.push(required(`${path}.name`))
  else check(errors, `${path}.name`, name, isDns1123Subdomain(name))
  if (!namespace) errors.push(required(`${path}.namespace`))
  else check(errors, `${path}.namespace`, namespace, isDns1123Label(namespace))
}

const CSI_SECRETS = ['controllerPublishSecretRef', 'controllerExpandSecretRef', 'nodePublishSecretRef', 'nodeExpandSecretRef'] as const

const ORDER =
  'hostPath gcePersistentDisk awsElasticBlockStore glusterfs flocker nfs rbd quobyte cephfs iscsi cinder fc flexVolume azureFile vsphereVolume photonPersistentDisk portworxVolume azureDisk scaleIO local storageos csi'

export const VOLUME_RULES = inOrder<PersistentVolumeSpec>(ORDER, {
  ...SHARED_RULES,
  glusterfs(errors, source, path, name) {
    SHARED_RULES.glusterfs(errors, source, path, name)
    const { endpointsNamespace: namespace } = source
    if (namespace === '')
      errors.push(invalid(`${path}.endpointsNamespace`, namespace, 'if the endpointnamespace is set, it must be a valid namespace name'))
    else if (namespace !== undefined) check(errors, `${path}.endpointsNamespace`, namespace, nameIsDnsLabel(namespace, false))
  },
  iscsi: (errors, source, path, name) => checkIscsi(errors, source, path, name, false),
  cinder(errors, source, path, name) {
    SHARED_RULES.cinder(errors, source, path, name)
    needsNamespace(errors, source.secretRef, path)
  },
  azureFile(errors, source, path, name) {
    SHARED_RULES.azureFile(errors, source, path, name)
    if (source.secretNamespace === '') errors.push(required(`${path}.secretNamespace`))
  },
  local(errors, source, path, _, volume: PersistentVolumeSpec = {}) {
    if (!source.path) errors.push(required(`${path}.path`))
    else checkNoBacksteps(errors, `${path}.path`, source.path)
    if (!volume.nodeAffinity) errors.push(required(path.replace(/local$/, 'nodeAffinity'), 'Local volume requires node affinity'))
  },
  storageos(errors, source, path, name) {
    SHARED_RULES.storageos(errors, source, path, name)
    needsNamespace(errors, source.secretRef, path)
  },
  csi(errors, source, path) {
    checkCsiDriverName(errors, source.driver, `${path}.driver`)
    if (!source.volumeHandle) errors.push(required(`${path}.volumeHandle`))
    for (const field of CSI_SECRETS) {
      const secret = source[field]
      if (secret) checkSecret(errors, secret, `${path}.${field}`)
    }
  },
})

function checkCapacity(errors: FieldError[], spec: PersistentVolumeSpec): void {
  const { capacity = {} } = spec
  const names = Object.keys(capacity)
  if (names.length === 0) errors.push(required('spec.capacity'))
  if (names.length !== 1 || names[0] !== 'storage')
    errors.push(notSupported('spec.capacity', goMap(asGiven(spec, 'capacity')), ['storage']))
  for (const [name, size] of Object.entries(capacity)) {
    const nanos = nanosOf(size)
    if (nanos <= -1_000_000_000n)
      errors.push(invalid(`spec.capacity[${name}]`, Number(nanos / 1_000_000_000n), 'must be a valid resource quantity'))
    if (nanos <= 0n) errors.push(invalid(`spec.capacity[${name}]`, size, NOT_POSITIVE))
  }
}

const RECLAIM_POLICIES = ['Delete', 'Recycle', 'Retain']

function checkClasses(errors: FieldError[], spec: PersistentVolumeSpec): void {
  const { storageClassName, volumeMode, volumeAttributesClassName: attributesClass } = spec
  if (storageClassName) check(errors, 'spec.storageClassName', storageClassName, nameIsDnsSubdomain(storageClassName, false))
  if (volumeMode !== undefined && !VOLUME_MODES.includes(volumeMode)) errors.push(notSupported('spec.volumeMode', volumeMode, VOLUME_MODES))
  if (attributesClass === undefined) return
  if (attributesClass === '') errors.push(required('spec.volumeAttributesClassName', 'an empty string is disallowed'))
  else check(errors, 'spec.volumeAttributesClassName', attributesClass, nameIsDnsSubdomain(attributesClass, false))
  if (!spec.csi) errors.push(required('spec.csi', 'has to be specified when using volumeAttributesClassName'))
}

function validatePersistentVolume({ metadata, spec = {} }: PersistentVolume): FieldError[] {
  const errors: FieldError[] = []
  const { accessModes = [], persistentVolumeReclaimPolicy: policy, nodeAffinity, hostPath } = spec
  if (accessModes.length === 0) errors.push(required('spec.accessModes'))
  checkAccessModes(errors, accessModes, 'spec.accessModes')
  checkCapacity(errors, spec)
  if (policy && !RECLAIM_POLICIES.includes(policy))
    errors.push(notSupported('spec.persistentVolumeReclaimPolicy', policy, RECLAIM_POLICIES))
  if (nodeAffinity?.required) checkNodeSelector(errors, nodeAffinity.required, 'spec.nodeAffinity.required')
  else if (nodeAffinity) errors.push(required('spec.nodeAffinity.required', 'must specify required node constraints'))
  checkSources(errors, spec, VOLUME_RULES, 'spec', metadata.name, 'flexVolume')
  if (policy === 'Recycle' && hostPath && /^\/+(\.\/*)*$/.test(hostPath.path)) {
    errors.push(forbidden('spec.persistentVolumeReclaimPolicy', "may not be 'recycle' for a hostPath mount of '/'"))
  }
  checkClasses(errors, spec)
  return errors
}

const MOUNT_OPTIONS = 'volume.beta.kubernetes.io/mount-options'
const MOUNTED_WITH_OPTIONS =
  'gcePersistentDisk awsElasticBlockStore glusterfs nfs rbd quobyte iscsi cinder cephfs azureFile vsphereVolume azureDisk photonPersistentDisk'.split(
    ' ',
  )

/** What the volume's own kind has to say. */
function checkMountOptions({ metadata, spec = {} }: PersistentVolume): FieldError[] {
  if (metadata.annotations?.[MOUNT_OPTIONS] === undefined || MOUNTED_WITH_OPTIONS.some((field) => field in spec)) return []
  return [forbidden(`metadata.annotations.${MOUNT_OPTIONS}`, 'may not specify mount options for this volume type')]
}

export function validateNewPersistentVolume(volume: PersistentVolume): FieldError[] {
  return [...validatePersistentVolume(volume), ...checkMountOptions(volume)]
}

const SOURCE_FIELDS = Object.keys(VOLUME_RULES)

function sourceOf(spec: PersistentVolumeSpec): object {
  return Object.fromEntries(Object.entries(spec).filter(([field]) => SOURCE_FIELDS.includes(field)))
}

/** As the internal type of the sources alone prints itself. */
function goSource(source: object): object {
  const spec = goInternal('core.v1.PersistentVolumeSpec', source) as object
  return Object.fromEntries(Object.entries(spec).filter(([name]) => !NOT_SOURCES.has(name)))
}

const NOT_SOURCES = new Set(
  'Capacity AccessModes ClaimRef PersistentVolumeReclaimPolicy StorageClassName MountOptions VolumeMode NodeAffinity VolumeAttributesClassName'.split(
    ' ',
  ),
)

const GA_LABELS: Readonly<Record<string, string>> = {
  'failure-domain.beta.kubernetes.io/zone': 'topology.kubernetes.io/zone',
  'failure-domain.beta.kubernetes.io/region': 'topology.kubernetes.io/region',
  'beta.kubernetes.io/os': 'kubernetes.io/os',
  'beta.kubernetes.io/arch': 'kubernetes.io/arch',
  'beta.kubernetes.io/instance-type': 'node.kubernetes.io/instance-type',
}

/** The old selector with those labels renamed that the new one calls by their present names. Upstream lets a key also go that has no other name. */
function renamed(old: NodeSelector | undefined, next: NodeSelector | undefined): NodeSelector | undefined {
  if (!old?.nodeSelectorTerms || !next?.nodeSelectorTerms) return old
  const nodeSelectorTerms = old.nodeSelectorTerms.map((term, i) => {
    const now = next.nodeSelectorTerms[i]
    const matchExpressions = term.matchExpressions?.map((expression, j) => {
      const key = GA_LABELS[expression.key] ?? ''
      return now?.matchExpressions?.[j]?.key === key ? { ...expression, key } : expression
    })
    return { ...term, ...(matchExpressions && { matchExpressions }) }
  })
  return { ...old, nodeSelectorTerms }
}

/** Upstream looks at the volume as a whole twice. */
export function validatePersistentVolumeUpdate(next: PersistentVolume, old: PersistentVolume): FieldError[] {
  const errors = [...validateNewPersistentVolume(next), ...validatePersistentVolume(next)]
  const [spec, before] = [next.spec ?? {}, old.spec ?? {}]
  const [source, sourceBefore] = [sourceOf(spec), sourceOf(before)]
  if (spec.csi && before.csi && !before.csi.controllerExpandSecretRef) {
    const { controllerExpandSecretRef: _, ...csi } = spec.csi
    Object.assign(source, { csi })
  }
  if (!deepEqual(source, sourceBefore)) {
    errors.push(
      forbidden(
        'spec.persistentvolumesource',
        `spec.persistentvolumesource is immutable after creation\n${lineDiff(goSource(sourceBefore), goSource(source))}`,
      ),
    )
  }
  checkImmutable(errors, 'volumeMode', spec.volumeMode, before.volumeMode)
  if (before.nodeAffinity && !deepEqual(spec.nodeAffinity?.required, renamed(before.nodeAffinity.required, spec.nodeAffinity?.required))) {
    errors.push(
      invalid(
        'nodeAffinity',
        goInternal('core.v1.VolumeNodeAffinity', spec.nodeAffinity),
        'field is immutable, except for updating from beta label to GA',
      ),
    )
  }
  if (before.volumeAttributesClassName !== undefined && spec.volumeAttributesClassName === undefined) {
    errors.push(forbidden('spec.volumeAttributesClassName', 'update from non-nil value to nil is forbidden'))
  }
  return errors
}

export function validatePersistentVolumeClaim({ spec = {} }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = []
  checkClaimSpec(errors, spec, 'spec')
  return errors
}

const CLASS_ANNOTATION = 'volume.beta.kubernetes.io/storage-class'
const CLAIM_IMMUTABLE = 'spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims'

function without<K extends keyof PersistentVolumeClaimSpec>(spec: PersistentVolumeClaimSpec, ...fields: K[]): PersistentVolumeClaimSpec {
  const result = { ...spec }
  for (const field of fields) delete result[field]
  return result
}

/** Both specs without what may change: a volume that is being bound, a class that is being named, a bound claim's size. */
function comparable(next: PersistentVolumeClaim, old: PersistentVolumeClaim): [PersistentVolumeClaimSpec, PersistentVolumeClaimSpec] {
  const [spec, before] = [next.spec ?? {}, old.spec ?? {}]
  const ignored: (keyof PersistentVolumeClaimSpec)[] = []
  if (!before.volumeName) ignored.push('volumeName')
  const oldClass = old.metadata.annotations?.[CLASS_ANNOTATION]
  if (
    before.storageClassName === undefined &&
    spec.storageClassName !== undefined &&
    (oldClass === undefined || oldClass === spec.storageClassName)
  ) {
    ignored.push('storageClassName')
  }
  if (next.status?.phase !== 'Bound') return [without(spec, ...ignored), without(before, ...ignored)]
  ignored.push('volumeAttributesClassName')
  const storage = before.resources?.requests?.['storage']
  const given = spec.resources && asGiven(spec.resources, 'requests')
  if (!given) return [without(spec, ...ignored), without(before, ...ignored)]
  const requests = { ...given, ...(storage !== undefined && { storage }) }
  return [without({ ...spec, resources: { ...spec.resources, requests } }, ...ignored), without(before, ...ignored)]
}

function checkClaimSize(errors: FieldError[], next: PersistentVolumeClaim, old: PersistentVolumeClaim): void {
  const [size, before] = [next, old].map(({ spec }) => nanosOf(spec?.resources?.requests?.['storage'])) as [bigint, bigint]
  if (size >= before || size > nanosOf(old.status?.capacity?.['storage'])) return
  errors.push(forbidden('spec.resources.requests.storage', 'field can not be less than status.capacity'))
}

export function validatePersistentVolumeClaimUpdate(next: PersistentVolumeClaim, old: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = []
  const [spec, before] = [next.spec ?? {}, old.spec ?? {}]
  const anyDataSourceGroup = [before.dataSource, before.dataSourceRef].some((source) => typeof source?.apiGroup === 'string')
  checkClaimSpec(errors, spec, 'spec', { anyDataSourceGroup })
  const [classNow, classBefore] = [next, old].map(({ metadata }) => metadata.annotations?.[CLASS_ANNOTATION])
  const namesClass =
    classBefore !== undefined &&
    before.storageClassName === undefined &&
    spec.storageClassName === classBefore &&
    (classNow ?? classBefore) === classBefore
  if (!namesClass) checkImmutable(errors, `metadata.annotations.${CLASS_ANNOTATION}`, classNow ?? '', classBefore ?? '')
  const [a, b] = comparable(next, old)
  if (!deepEqual(a, b))
    errors.push(
      forbidden(
        'spec',
        `${CLAIM_IMMUTABLE}\n${lineDiff(goInternal('core.v1.PersistentVolumeClaimSpec', b), goInternal('core.v1.PersistentVolumeClaimSpec', a))}`,
      ),
    )
  checkClaimSize(errors, next, old)
  checkImmutable(errors, 'volumeMode', spec.volumeMode, before.volumeMode)
  if (old.status?.currentVolumeAttributesClassName === undefined || spec.volumeAttributesClassName === before.volumeAttributesClassName)
    return errors
  const field = 'spec.volumeAttributesClassName'
  const what = spec.volumeAttributesClassName === undefined ? 'nil' : spec.volumeAttributesClassName === '' ? 'empty string' : undefined
  if (what) errors.push(forbidden(field, `update to ${what} is forbidden when status.currentVolumeAttributesClassName is not nil`))
  return errors
}

const RESIZE_STATES = [
  'ControllerResizeInProgress',
  'ControllerResizeInfeasible',
  'NodeResizeInProgress',
  'NodeResizeInfeasible',
  'NodeResizePending',
].sort()

/** Storage, or a resource of somebody's own. Answers whether it is one. */
function checkResourceKey(errors: FieldError[], name: string, path: string): boolean {
  const before = errors.length
  check(errors, path, name, isQualifiedName(name))
  if (errors.length === before && isNativeResource(name) && name !== 'storage') errors.push(notSupported(path, name, ['storage']))
  return errors.length === before
}

export function validatePersistentVolumeClaimStatusUpdate({ spec = {}, status = {} }: PersistentVolumeClaim): FieldError[] {
  const errors: FieldError[] = []
  if (!spec.accessModes?.length) errors.push(required('Spec.accessModes'))
  const { capacity = {}, allocatedResourceStatuses: states = {}, allocatedResources = {} } = status
  const checkSize = (size: string, path: string): void => {
    const nanos = nanosOf(size)
    if (nanos < 0n) errors.push(invalid(path, Number(nanos / 1_000_000_000n), 'must be a valid resource quantity'))
  }
  for (const [name, size] of Object.entries(capacity)) checkSize(size, `status.capacity[${name}]`)
  for (const [name, state] of Object.entries(states)) {
    checkResourceKey(errors, name, 'status.allocatedResourceStatuses')
    if (!RESIZE_STATES.includes(state)) errors.push(notSupported('status.allocatedResourceStatuses', name, RESIZE_STATES))
  }
  for (const [name, size] of Object.entries(allocatedResources)) {
    if (checkResourceKey(errors, name, 'status.allocatedResources')) checkSize(size, `status.allocatedResources[${name}]`)
  }
  return errors
}

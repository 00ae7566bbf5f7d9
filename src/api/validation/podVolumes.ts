/** A pod's volumes and their mounts. */
import { duplicate, forbidden, invalid, invalidAll, notFound, notSupported, required } from './fieldErrors.ts'
import { validateFieldRef } from './env.ts'
import { isDns1123Label } from './names.ts'
import { validateLocalPath, validateNoBacksteps } from './podSecurityContext.ts'
import { validatePersistentVolumeClaimSpec } from './persistentVolumes.ts'
import { nanosOf } from './quantities.ts'
import { validateEnum } from './values.ts'
import type { Container, DownwardAPIVolumeFile, KeyToPath, PodSpec, ProjectedVolumeSource, Volume, VolumeDevice, VolumeMount } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const MODE = 'must be a number between 0 and 0777 (octal), both inclusive'
const HOST_PATH_TYPES = ['', 'BlockDevice', 'CharDevice', 'Directory', 'DirectoryOrCreate', 'File', 'FileOrCreate', 'Socket']
const DOWNWARD_FIELDS = ['metadata.annotations', 'metadata.labels', 'metadata.name', 'metadata.namespace', 'metadata.uid']

function validateMode(mode: number | undefined, path: string): FieldError[] {
  return mode !== undefined && (mode < 0 || mode > 0o777) ? [invalid(path, mode, MODE)] : []
}

/** A file's place inside a volume. */
function validateFilePath(path: string | undefined, field: string): FieldError[] {
  if (!path) return [required(field)]
  const errors = validateLocalPath(path, field)
  if (path.startsWith('..') && !path.startsWith('../')) errors.push(invalid(field, path, "must not start with '..'"))
  return errors
}

function validateItems(items: readonly KeyToPath[] | undefined, path: string): FieldError[] {
  return (items ?? []).flatMap((item, i) => {
    const at = `${path}.items[${i}]`
    const errors = item.key ? [] : [required(`${at}.key`)]
    return [...errors, ...validateFilePath(item.path, `${at}.path`), ...validateMode(item.mode, `${at}.mode`)]
  })
}

function validateDownward(items: readonly DownwardAPIVolumeFile[] | undefined, path: string): FieldError[] {
  return (items ?? []).flatMap((file, i) => {
    const at = `${path}.items[${i}]`
    const errors = validateFilePath(file.path, `${at}.path`)
    if (file.fieldRef) {
      errors.push(...validateFieldRef(file.fieldRef, `${at}.fieldRef`, DOWNWARD_FIELDS, true))
      if (file.resourceFieldRef) errors.push(invalid(at, 'resource', 'fieldRef and resourceFieldRef can not be specified simultaneously'))
    } else if (file.resourceFieldRef) {
      if (!file.resourceFieldRef.containerName) errors.push(required(`${at}.resourceFieldRef.containerName`))
      if (!file.resourceFieldRef.resource) errors.push(required(`${at}.resourceFieldRef.resource`))
    } else errors.push(required(at, 'one of fieldRef and resourceFieldRef is required'))
    return [...errors, ...validateMode(file.mode, `${at}.mode`)]
  })
}

function validateProjected(projected: ProjectedVolumeSource, path: string): FieldError[] {
  const errors = validateMode(projected.defaultMode, `${path}.defaultMode`)
  const paths = new Set<string>()
  const note = (file: string | undefined, at: string): void => {
    if (!file) return
    if (paths.has(file)) errors.push(invalid(at, file, 'conflicting duplicate paths'))
    paths.add(file)
  }
  for (const [i, source] of (projected.sources ?? []).entries()) {
    const at = `${path}.sources[${i}]`
    const { secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle } = source
    const count = [secret, configMap, downwardAPI, serviceAccountToken, clusterTrustBundle].filter(Boolean).length
    if (count > 1) errors.push(forbidden(at, 'may not specify more than 1 volume type'))
    for (const [field, ref] of Object.entries({ secret, configMap })) {
      if (!ref) continue
      if (!ref.name) errors.push(required(`${at}.${field}.name`))
      errors.push(...validateItems(ref.items, `${at}.${field}`))
      for (const [j, item] of (ref.items ?? []).entries()) note(item.path, `${at}.${field}.items[${j}].path`)
    }
    if (downwardAPI) {
      errors.push(...validateDownward(downwardAPI.items, `${at}.downwardAPI`))
      for (const [j, item] of (downwardAPI.items ?? []).entries()) note(item.path, `${at}.downwardAPI.items[${j}].path`)
    }
    if (serviceAccountToken) {
      const seconds = serviceAccountToken.expirationSeconds ?? 3600
      if (seconds < 600) errors.push(invalid(`${at}.serviceAccountToken.expirationSeconds`, seconds, 'may not specify a duration less than 10 minutes'))
      if (!serviceAccountToken.path) errors.push(required(`${at}.serviceAccountToken.path`))
      else errors.push(...validateLocalPath(serviceAccountToken.path, `${at}.serviceAccountToken.path`))
    }
  }
  return errors
}

/** One rule for each kind of source that has any; the others are taken as they are. */
const SOURCE_RULES: { [K in keyof Volume]?: (source: NonNullable<Volume[K]>, path: string) => FieldError[] } = {
  emptyDir(source, path) {
    return source.sizeLimit !== undefined && nanosOf(source.sizeLimit) < 0n ? [forbidden(`${path}.sizeLimit`, 'SizeLimit field must be a valid resource quantity')] : []
  },
  hostPath(source, path) {
    const errors = source.path ? validateNoBacksteps(source.path, `${path}.path`) : [required(`${path}.path`)]
    if (source.type !== undefined && !HOST_PATH_TYPES.includes(source.type)) errors.push(notSupported(`${path}.type`, source.type, HOST_PATH_TYPES))
    return errors
  },
  secret(source, path) {
    const errors = source.secretName ? [] : [required(`${path}.secretName`)]
    return [...errors, ...validateMode(source.defaultMode, `${path}.defaultMode`), ...validateItems(source.items, path)]
  },
  configMap(source, path) {
    const errors = source.name ? [] : [required(`${path}.name`)]
    return [...errors, ...validateMode(source.defaultMode, `${path}.defaultMode`), ...validateItems(source.items, path)]
  },
  downwardAPI: (source, path) => [...validateMode(source.defaultMode, `${path}.defaultMode`), ...validateDownward(source.items, path)],
  projected: validateProjected,
  persistentVolumeClaim: (source, path) => (source.claimName ? [] : [required(`${path}.claimName`)]),
  nfs(source, path) {
    const errors = source.server ? [] : [required(`${path}.server`)]
    if (!source.path) errors.push(required(`${path}.path`))
    if (!source.path?.startsWith('/')) errors.push(invalid(`${path}.path`, source.path ?? '', 'must be an absolute path'))
    return errors
  },
  csi: (source, path) => (source.driver ? [] : [required(`${path}.driver`)]),
  ephemeral(source, path) {
    if (!source.volumeClaimTemplate) return [required(`${path}.volumeClaimTemplate`)]
    return validatePersistentVolumeClaimSpec(source.volumeClaimTemplate.spec, `${path}.volumeClaimTemplate.spec`)
  },
  image(source, path) {
    const errors = source.reference ? [] : [required(`${path}.reference`)]
    return [...errors, ...validateEnum(source.pullPolicy, `${path}.pullPolicy`, ['Always', 'IfNotPresent', 'Never'])]
  },
  gitRepo: (source, path) => (source.repository ? [] : [required(`${path}.repository`)]),
  flexVolume: (source, path) => (source.driver ? [] : [required(`${path}.driver`)]),
}

function validateSource(volume: Volume, path: string): FieldError[] {
  const errors: FieldError[] = []
  const { name: _, ...sources } = volume
  let count = 0
  for (const [kind, source] of Object.entries(sources)) {
    if (source === undefined) continue
    if (count++ > 0) {
      errors.push(forbidden(`${path}.${kind}`, 'may not specify more than 1 volume type'))
      continue
    }
    const rule = SOURCE_RULES[kind as keyof Volume] as ((source: unknown, path: string) => FieldError[]) | undefined
    if (rule) errors.push(...rule(source, `${path}.${kind}`))
  }
  if (count === 0) errors.push(required(path, 'must specify a volume type'))
  return errors
}

export function validateVolumes(spec: PodSpec, path: string): FieldError[] {
  const names = new Set<string>()
  return (spec.volumes ?? []).flatMap((volume, i) => {
    const at = `${path}[${i}]`
    const errors = validateSource(volume, at)
    if (!volume.name) errors.push(required(`${at}.name`))
    else errors.push(...invalidAll(`${at}.name`, volume.name, isDns1123Label(volume.name)))
    if (volume.name && names.has(volume.name)) errors.push(duplicate(`${at}.name`, volume.name))
    names.add(volume.name)
    return errors
  })
}

function validateMount(mount: VolumeMount, volumes: ReadonlyMap<string, Volume>, path: string, list: string): FieldError[] {
  const errors: FieldError[] = []
  if (!mount.name) errors.push(required(`${path}.name`))
  if (!volumes.has(mount.name)) errors.push(notFound(`${path}.name`, mount.name))
  if (!mount.mountPath) errors.push(required(`${path}.mountPath`))
  if (mount.subPath) {
    if (mount.subPathExpr) errors.push(invalid(`${list}.subPathExpr`, mount.subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
    errors.push(...validateLocalPath(mount.subPath, `${list}.subPath`))
  }
  if (mount.subPathExpr) errors.push(...validateLocalPath(mount.subPathExpr, `${list}.subPathExpr`))
  if (mount.mountPropagation !== undefined) errors.push(...validateEnum(mount.mountPropagation, `${path}.mountPropagation`, ['Bidirectional', 'HostToContainer', 'None']))
  if (mount.recursiveReadOnly && mount.recursiveReadOnly !== 'Disabled') {
    if (!['Enabled', 'IfPossible'].includes(mount.recursiveReadOnly)) {
      errors.push(notSupported(`${list}.recursiveReadOnly`, mount.recursiveReadOnly, ['Disabled', 'IfPossible', 'Enabled']))
    } else {
      if (!mount.readOnly) errors.push(forbidden(`${list}.recursiveReadOnly`, 'may only be specified when readOnly is true'))
      if (mount.mountPropagation && mount.mountPropagation !== 'None') {
        errors.push(forbidden(`${list}.recursiveReadOnly`, 'may only be specified when mountPropagation is None or not specified'))
      }
    }
  }
  return errors
}

function validateDevice(device: VolumeDevice, volumes: ReadonlyMap<string, Volume>, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (!device.name) errors.push(required(`${path}.name`))
  const volume = volumes.get(device.name)
  if (!volume) errors.push(notFound(`${path}.name`, device.name))
  else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
    errors.push(invalid(`${path}.name`, device.name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'))
  }
  if (!device.devicePath) errors.push(required(`${path}.devicePath`))
  else errors.push(...validateNoBacksteps(device.devicePath, `${path}.devicePath`))
  return errors
}

export function validateMounts(container: Pick<Container, 'volumeMounts' | 'volumeDevices'>, volumes: ReadonlyMap<string, Volume>, path: string): FieldError[] {
  const errors: FieldError[] = []
  const devicePaths = new Set((container.volumeDevices ?? []).map((device) => device.devicePath))
  const deviceNames = new Set((container.volumeDevices ?? []).map((device) => device.name))
  const seen = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}.volumeMounts[${i}]`
    errors.push(...validateMount(mount, volumes, at, `${path}.volumeMounts`))
    if (mount.mountPath) {
      if (seen.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must be unique'))
      seen.add(mount.mountPath)
      if (deviceNames.has(mount.name)) errors.push(invalid(`${at}.name`, mount.name, 'must not already exist in volumeDevices'))
      if (devicePaths.has(mount.mountPath)) errors.push(invalid(`${at}.mountPath`, mount.mountPath, 'must not already exist as a path in volumeDevices'))
    }
  }
  for (const [i, device] of (container.volumeDevices ?? []).entries()) errors.push(...validateDevice(device, volumes, `${path}.volumeDevices[${i}]`))
  return errors
}


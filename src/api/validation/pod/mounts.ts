/** Where a container sees the pod's volumes: as folders (mounts) or as block devices. */
import { forbidden, invalid, notFound, notSupported, required } from '../fieldErrors.ts'
import { checkDescendingPath } from '../values.ts'
import type { Volume, VolumeMount } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'
import type { AnyContainer } from './scope.ts'

const PROPAGATIONS = ['Bidirectional', 'HostToContainer', 'None']
const RECURSIVE_READ_ONLY = ['Disabled', 'Enabled', 'IfPossible']

function checkPropagation(errors: FieldError[], propagation: string, container: AnyContainer, path: string): void {
  if (!PROPAGATIONS.includes(propagation)) errors.push(notSupported(path, propagation, PROPAGATIONS))
  if (propagation === 'Bidirectional' && !container.securityContext?.privileged) {
    errors.push(forbidden(path, 'Bidirectional mount propagation is available only to privileged containers'))
  }
}

function checkRecursiveReadOnly(errors: FieldError[], { recursiveReadOnly, readOnly, mountPropagation }: VolumeMount, path: string): void {
  if (recursiveReadOnly === undefined || recursiveReadOnly === 'Disabled') return
  if (!RECURSIVE_READ_ONLY.includes(recursiveReadOnly)) {
    errors.push(notSupported(path, recursiveReadOnly, RECURSIVE_READ_ONLY))
    return
  }
  if (!readOnly) errors.push(forbidden(path, 'may only be specified when readOnly is true'))
  if (mountPropagation !== undefined && mountPropagation !== 'None') {
    errors.push(forbidden(path, 'may only be specified when mountPropagation is None or not specified'))
  }
}

export function checkVolumeMounts(errors: FieldError[], container: AnyContainer, volumes: ReadonlyMap<string, Volume>, path: string): void {
  const devices = container.volumeDevices ?? []
  const taken = new Set<string>()
  for (const [i, mount] of (container.volumeMounts ?? []).entries()) {
    const at = `${path}[${i}]`
    const { name, mountPath, subPath, subPathExpr, mountPropagation } = mount
    if (!name) errors.push(required(`${at}.name`))
    if (!volumes.has(name)) errors.push(notFound(`${at}.name`, name))
    if (!mountPath) errors.push(required(`${at}.mountPath`))
    if (taken.has(mountPath)) errors.push(invalid(`${at}.mountPath`, mountPath, 'must be unique'))
    taken.add(mountPath)
    if (devices.some((device) => device.name === name)) errors.push(invalid(`${at}.name`, name, 'must not already exist in volumeDevices'))
    if (devices.some((device) => device.devicePath === mountPath)) {
      errors.push(invalid(`${at}.mountPath`, mountPath, 'must not already exist as a path in volumeDevices'))
    }
    if (subPath) checkDescendingPath(errors, `${path}.subPath`, subPath)
    if (subPathExpr) {
      if (subPath) errors.push(invalid(`${at}.subPathExpr`, subPathExpr, 'subPathExpr and subPath are mutually exclusive'))
      checkDescendingPath(errors, `${path}.subPathExpr`, subPathExpr)
    }
    if (mountPropagation !== undefined) checkPropagation(errors, mountPropagation, container, `${path}.mountPropagation`)
    checkRecursiveReadOnly(errors, mount, `${path}.recursiveReadOnly`)
  }
}

export function checkVolumeDevices(
  errors: FieldError[],
  container: AnyContainer,
  volumes: ReadonlyMap<string, Volume>,
  path: string,
): void {
  const mounts = container.volumeMounts ?? []
  const [names, paths] = [new Set<string>(), new Set<string>()]
  for (const [i, { name, devicePath }] of (container.volumeDevices ?? []).entries()) {
    const [nameField, pathField] = [`${path}[${i}].name`, `${path}[${i}].devicePath`]
    const volume = volumes.get(name)
    if (!name) errors.push(required(nameField))
    if (names.has(name)) errors.push(invalid(nameField, name, 'must be unique'))
    if (!volume) errors.push(notFound(nameField, name))
    else if (!volume.persistentVolumeClaim && !volume.ephemeral) {
      errors.push(invalid(nameField, name, 'can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode'))
    }
    if (!devicePath) errors.push(required(pathField))
    if (paths.has(devicePath)) errors.push(invalid(pathField, devicePath, 'must be unique'))
    if (devicePath.split('/').includes('..')) errors.push(invalid(pathField, devicePath, "can not contain backsteps ('..')"))
    else paths.add(devicePath)
    if (mounts.some((mount) => mount.name === name)) errors.push(invalid(nameField, name, 'must not already exist in volumeMounts'))
    if (mounts.some((mount) => mount.mountPath === devicePath))
      errors.push(invalid(pathField, devicePath, 'must not already exist as a path in volumeMounts'))
    if (name) names.add(name)
  }
}

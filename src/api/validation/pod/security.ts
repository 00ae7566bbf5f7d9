/** Security contexts of pods and of containers, and what an operating system makes of them. */
import { check, duplicate, forbidden, invalid, notSupported, required, tooLong } from '../fieldErrors.ts'
import { goInternal } from '../goInternal.ts'
import { isUnixId } from '../names.ts'
import { checkDescendingPath, checkOneOf } from '../values.ts'
import { eachContainer, usesHostUsers } from './scope.ts'
import { checkWindowsOptions } from './windows.ts'
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, Sysctl } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

const PROFILE_TYPES = ['Localhost', 'RuntimeDefault', 'Unconfined']
const APPARMOR_PROFILE_LIMIT_BYTES = 4095

function checkId(errors: FieldError[], id: number | undefined, path: string): void {
  if (id !== undefined) check(errors, path, id, isUnixId(id))
}

function checkSeccomp(errors: FieldError[], profile: SeccompProfile, path: string): void {
  const { type, localhostProfile } = profile
  if (!type) errors.push(required(`${path}.type`, 'type is required when seccompProfile is set'))
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  const field = `${path}.localhostProfile`
  if (type !== 'Localhost') {
    const shown = { Type: type, LocalhostProfile: localhostProfile ?? null }
    if (localhostProfile !== undefined) errors.push(invalid(field, shown, 'can only be set when seccomp type is Localhost'))
  } else if (localhostProfile === undefined) errors.push(required(field, 'must be set when seccomp type is Localhost'))
  else checkDescendingPath(errors, field, localhostProfile)
}

export function validateAppArmor({ type, localhostProfile }: AppArmorProfile, path: string): FieldError[] {
  const errors: FieldError[] = []
  const field = `${path}.localhostProfile`
  if (!type) errors.push(required(`${path}.type`, 'type is required when appArmorProfile is set'))
  else if (!PROFILE_TYPES.includes(type)) errors.push(notSupported(`${path}.type`, type, PROFILE_TYPES))
  else if (type !== 'Localhost') {
    if (localhostProfile !== undefined) errors.push(invalid(field, localhostProfile, 'can only be set when AppArmor type is Localhost'))
  } else {
    if (localhostProfile === undefined || localhostProfile === '')
      errors.push(required(field, 'must be set when AppArmor type is Localhost'))
    else if (localhostProfile.trim() !== localhostProfile)
      errors.push(invalid(field, localhostProfile, 'must not be padded with whitespace'))
    if (Buffer.byteLength(localhostProfile ?? '') > APPARMOR_PROFILE_LIMIT_BYTES) errors.push(tooLong(field, APPARMOR_PROFILE_LIMIT_BYTES))
  }
  return errors
}

const PROC_MOUNTS = ['Default', 'Unmasked']

export function checkSecurityContext(errors: FieldError[], context: SecurityContext, spec: PodSpec, path: string): void {
  const { procMount, privileged, capabilities } = context
  checkId(errors, context.runAsUser, `${path}.runAsUser`)
  checkId(errors, context.runAsGroup, `${path}.runAsGroup`)
  if (procMount !== undefined) {
    if (!PROC_MOUNTS.includes(procMount)) errors.push(notSupported(`${path}.procMount`, procMount, PROC_MOUNTS))
    if (procMount === 'Unmasked' && usesHostUsers(spec))
      errors.push(invalid(`${path}.procMount`, procMount, '`hostUsers` must be false to use `Unmasked`'))
  }
  if (context.seccompProfile) checkSeccomp(errors, context.seccompProfile, `${path}.seccompProfile`)
  if (context.allowPrivilegeEscalation === false) {
    if (privileged)
      errors.push(
        invalid(
          path,
          goInternal('core.v1.SecurityContext', context),
          'cannot set `allowPrivilegeEscalation` to false and `privileged` to true',
        ),
      )
    if (capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      errors.push(
        invalid(
          path,
          goInternal('core.v1.SecurityContext', context),
          'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN',
        ),
      )
    }
  }
  if (context.windowsOptions) checkWindowsOptions(errors, context.windowsOptions, `${path}.windowsOptions`)
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`))
}

const SYSCTL_SEGMENT = '[a-z0-9]([-_a-z0-9]*[a-z0-9])?'
const SYSCTL = `^(${SYSCTL_SEGMENT}[\\./])*${SYSCTL_SEGMENT}$`
const SYSCTL_RE = new RegExp(SYSCTL)
const SYSCTL_LIMIT_BYTES = 253
const IPC_SYSCTL_RE = /^(kernel[./](sem|shm|msg)|fs[./]mqueue[./])/
const NET_SYSCTL_RE = /^net[./]/

/** Settings of a namespace that the pod has not got for itself. */
function checkSysctls(errors: FieldError[], sysctls: readonly Sysctl[], spec: PodSpec, path: string): void {
  const seen = new Set<string>()
  for (const [i, { name }] of sysctls.entries()) {
    const field = `${path}[${i}].name`
    if (!name) errors.push(required(field))
    else if (Buffer.byteLength(name) > SYSCTL_LIMIT_BYTES || !SYSCTL_RE.test(name)) {
      errors.push(invalid(field, name, `must have at most ${SYSCTL_LIMIT_BYTES} characters and match regex ${SYSCTL}`))
    } else if (seen.has(name)) errors.push(duplicate(field, name))
    if (spec.hostNetwork && NET_SYSCTL_RE.test(name)) errors.push(invalid(field, name, "may not be specified when 'hostNetwork' is true"))
    else if (spec.hostIPC && IPC_SYSCTL_RE.test(name)) errors.push(invalid(field, name, "may not be specified when 'hostIPC' is true"))
    seen.add(name)
  }
}

export function checkPodSecurityContext(errors: FieldError[], context: PodSecurityContext, spec: PodSpec, path: string): void {
  checkId(errors, context.fsGroup, `${path}.fsGroup`)
  checkId(errors, context.runAsUser, `${path}.runAsUser`)
  checkId(errors, context.runAsGroup, `${path}.runAsGroup`)
  context.supplementalGroups?.forEach((id, i) => checkId(errors, id, `${path}.supplementalGroups[${i}]`))
  if (context.sysctls) checkSysctls(errors, context.sysctls, spec, `${path}.sysctls`)
  const oneOf = (field: 'fsGroupChangePolicy' | 'supplementalGroupsPolicy' | 'seLinuxChangePolicy', supported: readonly string[]): void => {
    const value = context[field]
    if (value !== undefined && !supported.includes(value)) errors.push(notSupported(`${path}.${field}`, value, supported))
  }
  oneOf('fsGroupChangePolicy', ['Always', 'OnRootMismatch'])
  if (context.seccompProfile) checkSeccomp(errors, context.seccompProfile, `${path}.seccompProfile`)
  if (context.windowsOptions) checkWindowsOptions(errors, context.windowsOptions, `${path}.windowsOptions`)
  if (context.appArmorProfile) errors.push(...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`))
  oneOf('supplementalGroupsPolicy', ['Merge', 'Strict'])
  // `MountOption` belongs to mounts with a context, which are not on by default.
  oneOf('seLinuxChangePolicy', ['Recursive'])
}

/** A pod with users of its own can't share the host's other namespaces. */
export function checkHostUsers(errors: FieldError[], spec: PodSpec, path: string): void {
  if (usesHostUsers(spec)) return
  if (spec.hostNetwork) errors.push(forbidden(`${path}.hostNetwork`, 'when `hostUsers` is false'))
  if (spec.hostPID) errors.push(forbidden(`${path}.HostPID`, 'when `hostUsers` is false'))
  if (spec.hostIPC) errors.push(forbidden(`${path}.HostIPC`, 'when `hostUsers` is false'))
  eachContainer(spec, path, ({ volumeDevices }, at) => {
    if (volumeDevices?.length) errors.push(forbidden(`${at}.volumeDevices`, 'when `hostUsers` is false'))
  })
}

/** Of the pod's spec and of its security context, in upstream's order. */
const NOT_FOR_WINDOWS_PODS = [
  'appArmorProfile',
  'seLinuxOptions',
  'hostUsers',
  'hostPID',
  'hostIPC',
  'seccompProfile',
  'fsGroup',
  'fsGroupChangePolicy',
  'sysctls',
  'shareProcessNamespace',
  'runAsUser',
  'runAsGroup',
  'supplementalGroups',
  'supplementalGroupsPolicy',
  'seLinuxChangePolicy',
] as const
const NOT_FOR_WINDOWS_CONTAINERS = [
  'appArmorProfile',
  'seLinuxOptions',
  'seccompProfile',
  'capabilities',
  'readOnlyRootFilesystem',
  'privileged',
  'allowPrivilegeEscalation',
  'procMount',
  'runAsUser',
  'runAsGroup',
] as const

/** What the pod's declared operating system does not know. */
export function checkOs(errors: FieldError[], spec: PodSpec, path: string): void {
  const os = spec.os?.name
  if (!spec.os) return
  if (!os) errors.push(required(`${path}.os.name`))
  else if (os === 'linux') {
    const text = 'windows options cannot be set for a linux pod'
    if (spec.securityContext?.windowsOptions) errors.push(forbidden(`${path}.securityContext.windowsOptions`, text))
    eachContainer(spec, path, ({ securityContext }, at) => {
      if (securityContext?.windowsOptions) errors.push(forbidden(`${at}.securityContext.windowsOptions`, text))
    })
  } else if (os === 'windows') {
    const text = 'cannot be set for a windows pod'
    const { hostUsers, hostPID, hostIPC, shareProcessNamespace } = spec
    const ofSpec = { hostUsers, hostPID: hostPID || undefined, hostIPC: hostIPC || undefined, shareProcessNamespace }
    const given = { ...spec.securityContext, ...ofSpec }
    for (const field of NOT_FOR_WINDOWS_PODS)
      if (given[field] !== undefined) errors.push(forbidden(`${path}.${field in ofSpec ? '' : 'securityContext.'}${field}`, text))
    eachContainer(spec, path, ({ securityContext }, at) => {
      for (const field of NOT_FOR_WINDOWS_CONTAINERS)
        if (securityContext?.[field] !== undefined) errors.push(forbidden(`${at}.securityContext.${field}`, text))
    })
  } else checkOneOf(errors, `${path}.os`, os, ['linux', 'windows'])
}

/** Security contexts of pods and containers. */
import { duplicate, invalid, invalidAll, notSupported, required } from './fieldErrors.ts'
import { nameIsDnsSubdomain } from './names.ts'
import { validateEnum } from './values.ts'
import type { AppArmorProfile, PodSecurityContext, PodSpec, SeccompProfile, SecurityContext, WindowsSecurityContextOptions } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const ID_RANGE = 'must be between 0 and 2147483647, inclusive'
const SYSCTL = /^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$/
const SYSCTL_TEXT = 'must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$'

function validateId(id: number | undefined, path: string): FieldError[] {
  return id !== undefined && (id < 0 || id > 2_147_483_647) ? [invalid(path, id, ID_RANGE)] : []
}

function validateSeccomp(profile: SeccompProfile | undefined, path: string): FieldError[] {
  if (!profile) return []
  if (!profile.type) return [required(`${path}.type`, 'type is required when seccompProfile is set')]
  const errors = validateEnum(profile.type, `${path}.type`, ['Localhost', 'RuntimeDefault', 'Unconfined'])
  if (profile.type === 'Localhost') {
    if (!profile.localhostProfile) errors.push(required(`${path}.localhostProfile`, 'must be set when seccomp type is Localhost'))
    else errors.push(...validateLocalPath(profile.localhostProfile, `${path}.localhostProfile`))
  } else if (profile.localhostProfile !== undefined) {
    errors.push(invalid(`${path}.localhostProfile`, profile.localhostProfile, 'can only be set when seccomp type is Localhost'))
  }
  return errors
}

function validateAppArmor(profile: AppArmorProfile | undefined, path: string): FieldError[] {
  if (!profile) return []
  const errors = profile.type
    ? validateEnum(profile.type, `${path}.type`, ['Localhost', 'RuntimeDefault', 'Unconfined'])
    : [required(`${path}.type`, 'type is required when appArmorProfile is set')]
  if (profile.type === 'Localhost') {
    if (!profile.localhostProfile?.trim()) errors.push(required(`${path}.localhostProfile`, 'must be set when AppArmor type is Localhost'))
  } else if (profile.localhostProfile !== undefined) {
    errors.push(invalid(`${path}.localhostProfile`, profile.localhostProfile, 'can only be set when AppArmor type is Localhost'))
  }
  return errors
}

/** Relative, and never above its own folder. */
export function validateLocalPath(path: string, field: string): FieldError[] {
  if (path.startsWith('/')) return [invalid(field, path, 'must be a relative path')]
  return validateNoBacksteps(path, field)
}

export function validateNoBacksteps(path: string, field: string): FieldError[] {
  return path.split('/').includes('..') ? [invalid(field, path, "must not contain '..'")] : []
}

function validateWindows(options: WindowsSecurityContextOptions | undefined, path: string): FieldError[] {
  const name = options?.gmsaCredentialSpecName
  return name === undefined ? [] : invalidAll(`${path}.gmsaCredentialSpecName`, name, nameIsDnsSubdomain(name, false))
}

export function validatePodSecurityContext(context: PodSecurityContext | undefined, spec: PodSpec, path: string): FieldError[] {
  const errors: FieldError[] = []
  if (spec.shareProcessNamespace && spec.hostPID) {
    errors.push(invalid(`${path}.shareProcessNamespace`, true, 'ShareProcessNamespace and HostPID cannot both be enabled'))
  }
  if (!context) return errors
  for (const field of ['fsGroup', 'runAsUser', 'runAsGroup'] as const) errors.push(...validateId(context[field], `${path}.${field}`))
  for (const [i, group] of (context.supplementalGroups ?? []).entries()) errors.push(...validateId(group, `${path}.supplementalGroups[${i}]`))
  const seen = new Set<string>()
  for (const [i, { name }] of (context.sysctls ?? []).entries()) {
    const at = `${path}.sysctls[${i}].name`
    if (!name) errors.push(required(at))
    else if (name.length > 253 || !SYSCTL.test(name)) errors.push(invalid(at, name, SYSCTL_TEXT))
    else if (seen.has(name)) errors.push(duplicate(at, name))
    seen.add(name)
  }
  errors.push(...validateEnum(context.fsGroupChangePolicy, `${path}.fsGroupChangePolicy`, ['Always', 'OnRootMismatch']))
  errors.push(...validateEnum(context.supplementalGroupsPolicy, `${path}.supplementalGroupsPolicy`, ['Merge', 'Strict']))
  errors.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`))
  errors.push(...validateWindows(context.windowsOptions, `${path}.windowsOptions`))
  return [...errors, ...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`)]
}

export function validateContainerSecurityContext(context: SecurityContext | undefined, path: string): FieldError[] {
  if (!context) return []
  const errors = [...validateId(context.runAsUser, `${path}.runAsUser`), ...validateId(context.runAsGroup, `${path}.runAsGroup`)]
  if (context.procMount !== undefined && !['Default', 'Unmasked'].includes(context.procMount)) {
    errors.push(notSupported(`${path}.procMount`, context.procMount, ['Default', 'Unmasked']))
  }
  errors.push(...validateSeccomp(context.seccompProfile, `${path}.seccompProfile`))
  if (context.allowPrivilegeEscalation === false) {
    if (context.privileged) errors.push(invalid(path, inGo(context), 'cannot set `allowPrivilegeEscalation` to false and `privileged` to true'))
    if (context.capabilities?.add?.includes('CAP_SYS_ADMIN')) {
      errors.push(invalid(path, inGo(context), 'cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN'))
    }
  }
  errors.push(...validateWindows(context.windowsOptions, `${path}.windowsOptions`))
  return [...errors, ...validateAppArmor(context.appArmorProfile, `${path}.appArmorProfile`)]
}

/** Upstream shows its internal type: every field, by its Go name. */
function inGo(context: SecurityContext): Record<string, unknown> {
  const { capabilities } = context
  return {
    Capabilities: capabilities ? { Add: capabilities.add ?? null, Drop: capabilities.drop ?? null } : null,
    Privileged: context.privileged ?? null,
    SELinuxOptions: context.seLinuxOptions ?? null,
    WindowsOptions: context.windowsOptions ?? null,
    RunAsUser: context.runAsUser ?? null,
    RunAsGroup: context.runAsGroup ?? null,
    RunAsNonRoot: context.runAsNonRoot ?? null,
    ReadOnlyRootFilesystem: context.readOnlyRootFilesystem ?? null,
    AllowPrivilegeEscalation: context.allowPrivilegeEscalation ?? null,
    ProcMount: context.procMount ?? null,
    SeccompProfile: context.seccompProfile ?? null,
    AppArmorProfile: context.appArmorProfile ?? null,
  }
}


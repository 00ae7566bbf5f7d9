/** The security context that holds for a container: its own, and the pod's where it says nothing. */
import type { Container, ContainerUser, Pod, SeccompProfile as SpecSeccomp } from '../../api/kinds/core/v1.ts'
import { describePod } from '../pods/podSpec.ts'
import type { ContainerSecurity, Image, SeccompProfile } from '../runtime/runtime.ts'
import { ContainerConfigError } from './environment.ts'

/** What holds for pods that say nothing of it. */
export interface SecurityDefaults {
  rootDir: string
  seccompDefault: boolean
}

export function seccompProfile(profile: SpecSeccomp | undefined, { rootDir, seccompDefault }: SecurityDefaults): SeccompProfile {
  if (profile?.type === 'Localhost') return { type: 'Localhost', path: `${rootDir}/seccomp/${profile.localhostProfile ?? ''}` }
  const type = profile?.type ?? (seccompDefault ? 'RuntimeDefault' : 'Unconfined')
  return { type: type === 'RuntimeDefault' ? type : 'Unconfined' }
}

function appArmor(profile: { type: string; localhostProfile?: string } | undefined): string | undefined {
  if (!profile) return undefined
  if (profile.type === 'Unconfined') return 'unconfined'
  return profile.type === 'Localhost' ? profile.localhostProfile : undefined
}

function verifyNonRoot(pod: Pod, container: Container, runAsUser: number | undefined, image: Image): void {
  const where = `(pod: "${describePod(pod)}", container: ${container.name})`
  if (runAsUser !== undefined) {
    if (runAsUser === 0) throw new ContainerConfigError(`container's runAsUser breaks non-root policy ${where}`)
    return
  }
  if (image.uid === undefined && image.username) {
    throw new ContainerConfigError(
      `container has runAsNonRoot and image has non-numeric user (${image.username}), cannot verify user is non-root ${where}`,
    )
  }
  if ((image.uid ?? 0) === 0) throw new ContainerConfigError(`container has runAsNonRoot and image will run as root ${where}`)
}

function userString(runAsUser: number | undefined, runAsGroup: number | undefined, image: Image): string | undefined {
  const user = runAsUser ?? (runAsGroup === undefined ? undefined : (image.uid ?? (image.username || 0)))
  if (user === undefined) return undefined
  return runAsGroup === undefined ? String(user) : `${user}:${runAsGroup}`
}

function supplementalGroups(pod: Pod): number[] {
  const { supplementalGroups: groups = [], fsGroup } = pod.spec?.securityContext ?? {}
  return [...new Set([...groups, ...(fsGroup === undefined ? [] : [fsGroup])])]
}

export function containerSecurity(pod: Pod, container: Container, image: Image, defaults: SecurityDefaults): ContainerSecurity {
  const ofPod = pod.spec?.securityContext ?? {}
  const own = container.securityContext ?? {}
  const runAsUser = own.runAsUser ?? ofPod.runAsUser
  if (own.runAsNonRoot ?? ofPod.runAsNonRoot) verifyNonRoot(pod, container, runAsUser, image)
  const user = userString(runAsUser, own.runAsGroup ?? ofPod.runAsGroup, image)
  const apparmorProfile = appArmor(own.appArmorProfile ?? ofPod.appArmorProfile)
  return {
    privileged: own.privileged ?? false,
    readOnlyRootFilesystem: own.readOnlyRootFilesystem ?? false,
    ...(user !== undefined && { user }),
    supplementalGroups: supplementalGroups(pod),
    capabilitiesAdd: own.capabilities?.add ?? [],
    capabilitiesDrop: own.capabilities?.drop ?? [],
    noNewPrivileges: own.allowPrivilegeEscalation === false,
    seccomp: seccompProfile(own.seccompProfile ?? ofPod.seccompProfile, defaults),
    ...(apparmorProfile !== undefined && { apparmorProfile }),
    procMount: own.procMount === 'Unmasked' ? 'Unmasked' : 'Default',
  }
}

/** The identity that the first process gets, where numbers tell it. */
export function containerUser(pod: Pod, container: Container, image: Image): ContainerUser | undefined {
  const ofPod = pod.spec?.securityContext ?? {}
  const own = container.securityContext ?? {}
  const uid = own.runAsUser ?? ofPod.runAsUser ?? (image.username ? undefined : (image.uid ?? 0))
  if (uid === undefined) return undefined
  const gid = own.runAsGroup ?? ofPod.runAsGroup ?? 0
  return { linux: { uid, gid, supplementalGroups: [...new Set([gid, ...supplementalGroups(pod)])] } }
}

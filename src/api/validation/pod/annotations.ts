/** Annotations that mean something for a pod, most of them older than the fields that replaced them. */
import { forbidden, invalid } from '../fieldErrors.ts'
import { goJsonError } from '../goJsonError.ts'
import { quote } from '../../quote.ts'
import { checkDescendingPath } from '../values.ts'
import { checkTolerations } from './scheduling.ts'
import { eachContainer } from './scope.ts'
import type { AppArmorProfile, Pod, PodSpec, SeccompProfile, Toleration } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

type Annotations = Readonly<Record<string, string>>

export const MIRROR = 'kubernetes.io/config.mirror'
const TOLERATIONS = 'scheduler.alpha.kubernetes.io/tolerations'
const DELETION_COST = 'controller.kubernetes.io/pod-deletion-cost'
export const SECCOMP_POD = 'seccomp.security.alpha.kubernetes.io/pod'
export const SECCOMP_CONTAINER_PREFIX = 'container.seccomp.security.alpha.kubernetes.io/'
export const APPARMOR_PREFIX = 'container.apparmor.security.beta.kubernetes.io/'
const MIN_INT32 = -2_147_483_648
const MAX_INT32 = 2_147_483_647

function checkTolerationsAnnotation(errors: FieldError[], text: string, path: string): void {
  const why = goJsonError(Buffer.from(text))
  if (why) return void errors.push(invalid(path, TOLERATIONS, why))
  const parsed: unknown = JSON.parse(text)
  if (Array.isArray(parsed)) checkTolerations(errors, parsed as Toleration[], `${path}.${TOLERATIONS}`)
}

function isDeletionCost(text: string): boolean {
  return /^(0|-?\d+)$/.test(text) && !/^0\d/.test(text) && Number(text) >= MIN_INT32 && Number(text) <= MAX_INT32
}

function checkSeccompName(errors: FieldError[], profile: string, path: string): void {
  if (profile === 'runtime/default' || profile === 'docker/default' || profile === 'unconfined') return
  if (profile.startsWith('localhost/')) checkDescendingPath(errors, path, profile.slice('localhost/'.length))
  else errors.push(invalid(path, profile, 'must be a valid seccomp profile'))
}

function checkAppArmorName(errors: FieldError[], key: string, profile: string, spec: PodSpec, path: string): void {
  const name = key.slice(APPARMOR_PREFIX.length)
  let found = false
  eachContainer(spec, '', (container) => void (found ||= container.name === name))
  if (!found) errors.push(invalid(`${path}[${key}]`, name, 'container not found'))
  if (profile === '' || profile === 'runtime/default' || profile === 'unconfined' || profile.startsWith('localhost/')) return
  errors.push(invalid(`${path}[${key}]`, profile, `invalid AppArmor profile name: ${quote(profile)}`))
}

export function checkPodAnnotations(errors: FieldError[], annotations: Annotations | undefined, spec: PodSpec, path: string): void {
  if (!annotations) return
  for (const [key, value] of Object.entries(annotations)) {
    if (key === MIRROR) {
      if (!spec.nodeName) errors.push(invalid(`${path}[${MIRROR}]`, value, 'must set spec.nodeName if mirror pod annotation is set'))
    } else if (key === TOLERATIONS) {
      if (value) checkTolerationsAnnotation(errors, value, path)
    } else if (key === DELETION_COST) {
      if (!isDeletionCost(value)) errors.push(invalid(`${path}[${DELETION_COST}]`, value, 'must be a 32bit integer'))
    } else if (key === SECCOMP_POD || key.startsWith(SECCOMP_CONTAINER_PREFIX)) checkSeccompName(errors, value, `${path}.${key}`)
    else if (key.startsWith(APPARMOR_PREFIX)) checkAppArmorName(errors, key, value, spec, path)
  }
}

/** Who owns a mirror pod and which profile applies is said once. Upstream looks at the annotations as such here too. */
export function checkPodAnnotationChanges(errors: FieldError[], next: Pod, old: Pod, path: string): void {
  const [now, before] = [next.metadata.annotations ?? {}, old.metadata.annotations ?? {}]
  for (const key of new Set([...Object.keys(before), ...Object.keys(now)])) {
    if (now[key] === before[key]) continue
    const what = before[key] === undefined ? 'add' : 'remove or update'
    if (key.startsWith(APPARMOR_PREFIX)) errors.push(forbidden(`${path}[${key}]`, `may not ${what} AppArmor annotations`))
    if (key === MIRROR) errors.push(forbidden(`${path}[${key}]`, `may not ${what} mirror pod annotation`))
  }
  checkPodAnnotations(errors, next.metadata.annotations, next.spec, path)
}

/** The error where the annotation and the field say different things. */
function disagreement(
  annotation: string,
  profile: SeccompProfile | AppArmorProfile,
  what: 'seccomp' | 'apparmor',
  path: string,
): FieldError | undefined {
  const wrongType = forbidden(`${path}.type`, `${what} type in annotation and field must match`)
  switch (profile.type) {
    case 'Unconfined':
      return annotation === 'unconfined' ? undefined : wrongType
    case 'RuntimeDefault':
      return annotation === 'runtime/default' || (what === 'seccomp' && annotation === 'docker/default') ? undefined : wrongType
    case 'Localhost':
      if (!annotation.startsWith('localhost/')) return wrongType
      if (annotation.slice('localhost/'.length) === profile.localhostProfile) return undefined
      return forbidden(`${path}.localhostProfile`, `${what} profile in annotation and field must match`)
    default:
      return undefined
  }
}

/** On create, an old annotation may stand beside the field that replaced it only if both say the same. */
export function checkProfilesAgree(errors: FieldError[], annotations: Annotations | undefined, spec: PodSpec, path: string): void {
  if (!annotations) return
  const compare = (key: string, profile: SeccompProfile | AppArmorProfile | undefined, what: 'seccomp' | 'apparmor', at: string): void => {
    const annotation = annotations[key]
    const error = annotation !== undefined && profile ? disagreement(annotation, profile, what, at) : undefined
    if (error) errors.push(error)
  }
  compare(SECCOMP_POD, spec.securityContext?.seccompProfile, 'seccomp', `${path}.securityContext.seccompProfile`)
  eachContainer(spec, path, ({ name, securityContext }, at) => {
    compare(`${SECCOMP_CONTAINER_PREFIX}${name}`, securityContext?.seccompProfile, 'seccomp', `${at}.securityContext.seccompProfile`)
  })
  if (spec.os?.name === 'windows') return
  eachContainer(spec, path, ({ name, securityContext }, at) => {
    const profile = securityContext?.appArmorProfile ?? spec.securityContext?.appArmorProfile
    compare(`${APPARMOR_PREFIX}${name}`, profile, 'apparmor', `${at}.securityContext.appArmorProfile`)
  })
}

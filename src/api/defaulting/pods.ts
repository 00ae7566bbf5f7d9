/** Pods and everything inside a PodSpec. */
import type * as core from '../kinds/core/v1.ts'
import { aggregateContainerResources, fillResources, isHugePages, isPodLevel } from './resources.ts'
import { rule, type Rules } from './rules.ts'

const HOST_COMPONENT = '(?:[a-zA-Z0-9]|[a-zA-Z0-9][a-zA-Z0-9-]*[a-zA-Z0-9])'
const HOST = `(?:(?:${HOST_COMPONENT}(?:\\.${HOST_COMPONENT})*|\\[[a-fA-F0-9:]+\\])(?::[0-9]+)?/)?`
const PATH_COMPONENT = '[a-z0-9]+(?:(?:\\.|_|__|-+)[a-z0-9]+)*'
const DIGEST = '[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}'
const REFERENCE = new RegExp(`^${HOST}${PATH_COMPONENT}(?:/${PATH_COMPONENT})*(?::([\\w][\\w.-]{0,127}))?(?:@(${DIGEST}))?$`)
/** An image's bare id is not a name. */
const IMAGE_ID = /^[a-f0-9]{64}$/

const REPOSITORY_LIMIT_BYTES = 255

/** The length of the name without its registry; a bare name is one of the library's. */
function repositoryBytes(image: string): number {
  const name = image.replace(/@.*$/, '').replace(/:[^/]*$/, '')
  const slash = name.indexOf('/')
  if (slash < 0) return `library/${name}`.length
  const first = name.slice(0, slash)
  return first === 'localhost' || /[.:A-Z]/.test(first) ? name.length - slash - 1 : name.length
}

/** `Always` for what is, or defaults to, the tag latest. */
export function defaultPullPolicy(image: string): 'Always' | 'IfNotPresent' {
  const match = IMAGE_ID.test(image) ? null : REFERENCE.exec(image)
  if (!match || repositoryBytes(image) > REPOSITORY_LIMIT_BYTES) return 'IfNotPresent'
  const [, tag, digest] = match
  return (tag ?? (digest ? '' : 'latest')) === 'latest' ? 'Always' : 'IfNotPresent'
}

const DEFAULT_FILE_MODE = 0o644

function defaultContainer(
  container: Pick<core.Container, 'image' | 'imagePullPolicy' | 'terminationMessagePath' | 'terminationMessagePolicy'>,
): void {
  container.imagePullPolicy ||= defaultPullPolicy(container.image ?? '')
  container.terminationMessagePath ||= '/dev/termination-log'
  container.terminationMessagePolicy ||= 'File'
}

function defaultHostPorts(containers: core.Container[] | undefined): void {
  for (const port of (containers ?? []).flatMap((c) => c.ports ?? [])) port.hostPort ||= port.containerPort
}

function defaultPodLevelResources(pod: core.Pod): void {
  const { resources } = pod.spec
  if (!resources) return
  const asked = Object.keys(resources.limits ?? {}).length + Object.keys(resources.requests ?? {}).length
  if (asked > 0) {
    const limits = aggregateContainerResources(pod, 'limits')
    const filled = fillResources(resources.limits, limits, (name) => isHugePages(name) && !Object.hasOwn(resources.requests ?? {}, name))
    if (filled) resources.limits = filled
  }
  if (Object.keys(resources.limits ?? {}).length === 0) return
  const overcommittable = (name: string): boolean => isPodLevel(name) && !isHugePages(name)
  const fromContainers = fillResources(resources.requests, aggregateContainerResources(pod, 'requests'), overcommittable)
  const requests = fillResources(fromContainers, resources.limits, isPodLevel)
  if (requests) resources.requests = requests
}

function defaultPod(pod: core.Pod): void {
  for (const container of [...(pod.spec.containers ?? []), ...(pod.spec.initContainers ?? [])]) {
    const resources = (container.resources ??= {})
    const requests = fillResources(resources.requests, resources.limits)
    if (requests) resources.requests = requests
  }
  defaultPodLevelResources(pod)
  pod.spec.enableServiceLinks ??= true
  if (pod.spec.hostNetwork) {
    defaultHostPorts(pod.spec.containers)
    defaultHostPorts(pod.spec.initContainers)
  }
}

const fileMode = rule<{ defaultMode?: number }>((source) => void (source.defaultMode ??= DEFAULT_FILE_MODE))

export const podRules: Rules = {
  'io.k8s.api.core.v1.Pod': rule(defaultPod),
  'io.k8s.api.core.v1.PodSpec': rule<core.PodSpec>((spec) => {
    // serviceAccount is the deprecated name of the same field: both are always shown.
    if (!spec.serviceAccountName && spec.serviceAccount) spec.serviceAccountName = spec.serviceAccount
    if (spec.serviceAccountName) spec.serviceAccount = spec.serviceAccountName
    spec.dnsPolicy ||= 'ClusterFirst'
    spec.restartPolicy ||= 'Always'
    spec.securityContext ??= {}
    spec.terminationGracePeriodSeconds ??= 30
    spec.schedulerName ||= 'default-scheduler'
  }),
  'io.k8s.api.core.v1.PodStatus': rule<core.PodStatus>((status) => {
    if (status.podIP && status.podIPs?.[0]?.ip !== status.podIP) status.podIPs = [{ ip: status.podIP }]
    else if (status.podIPs?.[0]?.ip) status.podIP = status.podIPs[0].ip
  }),
  'io.k8s.api.core.v1.Container': rule(defaultContainer),
  'io.k8s.api.core.v1.EphemeralContainer': rule(defaultContainer),
  'io.k8s.api.core.v1.Volume': rule<core.Volume>((volume) => {
    if (Object.keys(volume).every((key) => key === 'name')) volume.emptyDir = {}
    if (volume.image && !volume.image.pullPolicy) volume.image.pullPolicy = defaultPullPolicy(volume.image.reference ?? '')
  }),
  'io.k8s.api.core.v1.Probe': rule<core.Probe>((probe) => {
    probe.timeoutSeconds ||= 1
    probe.periodSeconds ||= 10
    probe.successThreshold ||= 1
    probe.failureThreshold ||= 3
  }),
  'io.k8s.api.core.v1.HTTPGetAction': rule<core.HTTPGetAction>((action) => {
    action.path ||= '/'
    action.scheme ||= 'HTTP'
  }),
  'io.k8s.api.core.v1.SecretVolumeSource': fileMode,
  'io.k8s.api.core.v1.ConfigMapVolumeSource': fileMode,
  'io.k8s.api.core.v1.DownwardAPIVolumeSource': fileMode,
  'io.k8s.api.core.v1.ProjectedVolumeSource': fileMode,
  'io.k8s.api.core.v1.ServiceAccountTokenProjection': rule<core.ServiceAccountTokenProjection>(
    (projection) => void (projection.expirationSeconds ??= 3600),
  ),
  'io.k8s.api.core.v1.HostPathVolumeSource': rule<core.HostPathVolumeSource>((source) => void (source.type ??= '')),
  'io.k8s.api.core.v1.ObjectFieldSelector': rule<core.ObjectFieldSelector>((selector) => void (selector.apiVersion ||= 'v1')),
}

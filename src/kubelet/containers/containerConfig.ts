/** All that the runtime needs to create a container and a sandbox, from the pod's spec. */
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import type { PodDirectories } from '../pods/podDirectories.ts'
import type { DeviceGrant } from '../devices/devicePlugin.ts'
import { bandwidthOf } from '../network/bandwidth.ts'
import { podFileMounts } from '../podFiles/podFiles.ts'
import { podNames } from '../podFiles/hosts.ts'
import type { ContainerConfig, Image, Mount, PortMapping, SandboxConfig } from '../runtime/runtime.ts'
import type { PinSubPath } from '../volumes/subPath.ts'
import type { PreparedVolumes } from '../volumes/preparedVolume.ts'
import { annotation } from './annotations.ts'
import { containerHash } from './containerHash.ts'
import { containerEnvironment } from './environment.ts'
import type { EnvironmentSources } from './environment.ts'
import { expand } from './expansion.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import { containerDevices, containerMounts, DEFAULT_TERMINATION_MESSAGE_PATH } from './mounts.ts'
import { podCgroup } from '../resources/qos.ts'
import { linuxResources, type NodeLimits } from '../resources/resources.ts'
import { containerSecurity, containerUser, seccompProfile } from './security.ts'

export interface ContainerConfigInput {
  pod: Pod
  container: Container
  attempt: number
  image: Image
  facts: PodFacts
  sources: EnvironmentSources
  volumes: PreparedVolumes
  directories: PodDirectories
  rootDir: string
  nodeLimits: NodeLimits
  /** What device plugins give the container with its devices. */
  grants?: readonly DeviceGrant[]
  /** What the container has by the pod's claims, by names of the Container Device Interface. */
  claimedDevices?: readonly string[]
  pin?: PinSubPath
}

const DEFAULT_GRACE_SECONDS = 30

function annotationsOf(input: ContainerConfigInput): Record<string, string> {
  const { pod, container, image } = input
  const { preStop } = container.lifecycle ?? {}
  const user = containerUser(pod, container, image)
  return {
    ...Object.assign({}, ...(input.grants ?? []).map((grant) => grant.annotations)),
    [annotation.hash]: containerHash(container),
    [annotation.terminationMessagePath]: container.terminationMessagePath || DEFAULT_TERMINATION_MESSAGE_PATH,
    [annotation.terminationMessagePolicy]: container.terminationMessagePolicy ?? 'File',
    [annotation.gracePeriod]: String(pod.spec?.terminationGracePeriodSeconds ?? DEFAULT_GRACE_SECONDS),
    ...(preStop && { [annotation.preStop]: JSON.stringify(preStop) }),
    ...(user && { [annotation.user]: JSON.stringify(user) }),
  }
}

export async function containerConfig(input: ContainerConfigInput): Promise<ContainerConfig> {
  const { pod, container, attempt, image, facts, sources, volumes, directories, rootDir, nodeLimits, grants = [] } = input
  const own = await containerEnvironment({ pod, container, facts, sources })
  // What the pod says itself counts.
  const env = [...new Map([...grants.flatMap((grant) => Object.entries(grant.env)), ...own])]
  const byName = new Map(env)
  const expanded = (texts: readonly string[]): string[] => texts.map((text) => expand(text, (name) => byName.get(name)))
  const mounts = await containerMounts({ container, attempt, volumes, env: byName, directories, ...(input.pin && { pin: input.pin }) })
  const { command, args, workingDir, lifecycle } = container
  return {
    name: container.name,
    attempt,
    imageId: image.id,
    image: container.image ?? '',
    ...(command?.length && { command: expanded(command) }),
    ...(args?.length && { args: expanded(args) }),
    ...(workingDir && { workingDir }),
    env,
    mounts: [...mounts, ...grants.flatMap(grantedMounts), ...podFileMounts(container, directories)],
    devices: [...containerDevices(container, volumes), ...grants.flatMap((grant) => grant.devices)],
    cdiDevices: [...grants.flatMap((grant) => grant.cdiDevices), ...(input.claimedDevices ?? [])],
    resources: linuxResources(pod, container, nodeLimits),
    security: containerSecurity(pod, container, image, { rootDir, seccompDefault: nodeLimits.seccompDefault }),
    stdin: container.stdin ?? false,
    stdinOnce: container.stdinOnce ?? false,
    tty: container.tty ?? false,
    ...(lifecycle?.stopSignal && { stopSignal: lifecycle.stopSignal }),
    annotations: annotationsOf(input),
  }
}

const grantedMounts = ({ mounts }: DeviceGrant): Mount[] => mounts.map((mount) => ({ ...mount, propagation: 'None' }))

/** The node's ports that lead to the pod's containers. */
function portMappings(containers: readonly Container[]): PortMapping[] {
  const ports = containers.flatMap((container) => container.ports ?? [])
  return ports.flatMap(({ hostPort, containerPort, protocol = 'TCP', hostIP }) =>
    hostPort
      ? [
          {
            hostPort,
            containerPort,
            protocol: protocol as PortMapping['protocol'],
            ...(hostIP && hostIP !== '0.0.0.0' && { hostIp: hostIP }),
          },
        ]
      : [],
  )
}

export interface SandboxConfigInput {
  pod: Pod
  attempt: number
  clusterDomain: string
  nodeName: string
  rootDir: string
}

export function sandboxConfig({ pod, attempt, clusterDomain, nodeName, rootDir }: SandboxConfigInput): SandboxConfig {
  const { hostNetwork, hostPID, hostIPC, shareProcessNamespace, securityContext, containers = [], initContainers = [] } = pod.spec ?? {}
  const { name, namespace, uid, annotations } = pod.metadata
  const bandwidth = hostNetwork ? undefined : bandwidthOf(annotations)
  return {
    podUid: uid,
    podName: name,
    podNamespace: namespace,
    attempt,
    hostname: podNames(pod, clusterDomain, nodeName).hostname,
    network: hostNetwork ? 'node' : 'pod',
    pidMode: hostPID ? 'node' : shareProcessNamespace ? 'pod' : 'container',
    ipcMode: hostIPC ? 'node' : 'pod',
    cgroupParent: podCgroup(pod),
    sysctls: Object.fromEntries((securityContext?.sysctls ?? []).map((sysctl) => [sysctl.name, sysctl.value])),
    seccomp: seccompProfile(securityContext?.seccompProfile, { rootDir, seccompDefault: true }),
    privileged: [...initContainers, ...containers].some((container) => container.securityContext?.privileged === true),
    portMappings: hostNetwork ? [] : portMappings([...initContainers, ...containers]),
    ...(bandwidth && { bandwidth }),
  }
}

/**
 * Everything the kubelet must find again after a restart is kept in labels of the engine's containers: nothing else is.
 * Pure. Names are made from the same facts, so that a second try after a crash meets the first one's leftovers.
 */
import type { ContainerConfig, PodIdentity, PortMapping, SandboxConfig } from '../runtime.ts'

const PREFIX = 'io.minicube.'
export const KIND_LABEL = `${PREFIX}kind`
export const POD_UID_LABEL = `${PREFIX}pod.uid`
export const SANDBOX_ID_LABEL = `${PREFIX}sandbox.id`
const POD_NAME_LABEL = `${PREFIX}pod.name`
const POD_NAMESPACE_LABEL = `${PREFIX}pod.namespace`
const ATTEMPT_LABEL = `${PREFIX}attempt`
const IPS_LABEL = `${PREFIX}ips`
const NAMESPACES_LABEL = `${PREFIX}namespaces`
const PORT_MAPPINGS_LABEL = `${PREFIX}ports`
const CONTAINER_NAME_LABEL = `${PREFIX}container.name`
const IMAGE_LABEL = `${PREFIX}image`
const IMAGE_ID_LABEL = `${PREFIX}image.id`
const TTY_LABEL = `${PREFIX}tty`
const ANNOTATION_PREFIX = `${PREFIX}annotation.`

export type Labels = Readonly<Record<string, string>>

/** What containers need to know of the sandbox that they join. */
export type SandboxNamespaces = Pick<SandboxConfig, 'network' | 'pidMode' | 'ipcMode' | 'cgroupParent'>

export interface SandboxFacts extends PodIdentity, SandboxNamespaces {
  attempt: number
  ips: readonly string[]
  portMappings: readonly PortMapping[]
  bandwidth?: SandboxConfig['bandwidth']
  /** Of a sandbox that no container holds: the ones that join it bring the name along. */
  hostname?: string
}

export interface ContainerFacts extends PodIdentity {
  sandboxId: string
  name: string
  attempt: number
  image: string
  imageId: string
  tty: boolean
  annotations: Readonly<Record<string, string>>
}

function identityLabels({ podUid, podName, podNamespace }: PodIdentity): Record<string, string> {
  return { [POD_UID_LABEL]: podUid, [POD_NAME_LABEL]: podName, [POD_NAMESPACE_LABEL]: podNamespace }
}

function identityOf(labels: Labels): PodIdentity {
  return {
    podUid: labels[POD_UID_LABEL] ?? '',
    podName: labels[POD_NAME_LABEL] ?? '',
    podNamespace: labels[POD_NAMESPACE_LABEL] ?? '',
  }
}

export function sandboxLabels(facts: SandboxFacts): Record<string, string> {
  const { network, pidMode, ipcMode, cgroupParent } = facts
  return {
    ...identityLabels(facts),
    [KIND_LABEL]: 'sandbox',
    [ATTEMPT_LABEL]: String(facts.attempt),
    [IPS_LABEL]: facts.ips.join(','),
    [NAMESPACES_LABEL]: JSON.stringify({ network, pidMode, ipcMode, cgroupParent }),
    [PORT_MAPPINGS_LABEL]: JSON.stringify(facts.portMappings),
  }
}

/** Undefined for containers that are not our sandboxes. */
export function readSandboxLabels(labels: Labels): SandboxFacts | undefined {
  if (labels[KIND_LABEL] !== 'sandbox') return undefined
  return {
    ...identityOf(labels),
    ...(JSON.parse(labels[NAMESPACES_LABEL] ?? '{}') as SandboxNamespaces),
    attempt: Number(labels[ATTEMPT_LABEL]),
    ips: (labels[IPS_LABEL] ?? '').split(',').filter((ip) => ip !== ''),
    portMappings: JSON.parse(labels[PORT_MAPPINGS_LABEL] ?? '[]') as PortMapping[],
  }
}

export function containerLabels(pod: PodIdentity, sandboxId: string, config: ContainerConfig): Record<string, string> {
  const annotations = Object.entries(config.annotations).map(([key, value]) => [ANNOTATION_PREFIX + key, value])
  return {
    ...identityLabels(pod),
    [KIND_LABEL]: 'container',
    [SANDBOX_ID_LABEL]: sandboxId,
    [CONTAINER_NAME_LABEL]: config.name,
    [ATTEMPT_LABEL]: String(config.attempt),
    [IMAGE_LABEL]: config.image,
    [IMAGE_ID_LABEL]: config.imageId,
    [TTY_LABEL]: String(config.tty),
    ...Object.fromEntries(annotations),
  }
}

/** Undefined for containers that are not our pods' containers. */
export function readContainerLabels(labels: Labels): ContainerFacts | undefined {
  if (labels[KIND_LABEL] !== 'container') return undefined
  const annotations = Object.entries(labels).filter(([key]) => key.startsWith(ANNOTATION_PREFIX))
  return {
    ...identityOf(labels),
    sandboxId: labels[SANDBOX_ID_LABEL] ?? '',
    name: labels[CONTAINER_NAME_LABEL] ?? '',
    attempt: Number(labels[ATTEMPT_LABEL]),
    image: labels[IMAGE_LABEL] ?? '',
    imageId: labels[IMAGE_ID_LABEL] ?? '',
    tty: labels[TTY_LABEL] === 'true',
    annotations: Object.fromEntries(annotations.map(([key, value]) => [key.slice(ANNOTATION_PREFIX.length), value])),
  }
}

/** The convention of the kubelet's Docker shim, which tools that read `docker ps` know. */
export function engineNameOf(pod: PodIdentity, container: string, attempt: number): string {
  return ['k8s', container, pod.podName, pod.podNamespace, pod.podUid, attempt].join('_')
}

export function sandboxNameOf(config: PodIdentity & { attempt: number }): string {
  return engineNameOf(config, 'POD', config.attempt)
}

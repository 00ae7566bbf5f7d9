/** The names under which a cluster's parts are found again in an engine. Every one carries labels, and only labelled ones are touched. */
import { usageError } from './userError.ts'

export const DEFAULT_PROFILE = 'minicube'
export const NETWORK_NAME = 'minicube'
export const PROFILE_LABEL = 'io.minicube.profile'
/** On containers of nodes that join another one's control plane. */
export const WORKER_LABEL = 'io.minicube.worker'
/** The folder (home.ts) whose minicube made it. */
export const HOME_LABEL = 'io.minicube.home'
/** The host's port that the cluster's API server keeps, stopped or not. */
export const API_PORT_LABEL = 'io.minicube.api-port'
export const MANAGED_LABEL = 'io.minicube.managed'
/** The port inside the node container. */
export const API_SERVER_PORT = 6443

/** The container has the name of the profile, as with minikube. */
export const containerName = (profile: string): string => profile
export const volumeName = (profile: string): string => (profile === DEFAULT_PROFILE ? 'minicube' : `minicube-${profile}`)

/** Of the nodes after the first, as minikube names them. */
export function workerNames({ name, nodes = 1 }: { name: string; nodes?: number }): string[] {
  return Array.from({ length: nodes - 1 }, (_, i) => `${name}-m${String(i + 2).padStart(2, '0')}`)
}

const HOST_NAME_MAX_LENGTH = 63

/** Containers of further nodes have longer names than the profile, and the kernel has a limit for them. */
export function checkWorkerNames(profile: string, nodes: number): void {
  const longest = workerNames({ name: profile, nodes }).at(-1) ?? ''
  const excess = longest.length - HOST_NAME_MAX_LENGTH
  if (excess > 0)
    throw usageError(
      `the name of a node, ${longest}, would have ${longest.length} characters, and it may have ${HOST_NAME_MAX_LENGTH}`,
      `A cluster with --nodes ${nodes} needs a profile name of ${profile.length - excess} characters at most`,
    )
}

export function checkProfileName(name: string): string {
  if (!/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(name)) {
    throw usageError(
      `"${name}" is not a profile name: it must be at most 63 characters of a-z, 0-9 and "-", and begin and end with a letter or digit`,
      'For example: minicube start --profile dev',
    )
  }
  return name
}

/** What an engine takes for the name of an image: [registry/]path[:tag][@digest]. Of anything else it says so as its own error. */
export function isImageName(name: string): boolean {
  const part = '[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*'
  return new RegExp(`^(?:[A-Za-z0-9][A-Za-z0-9.-]*(?::\\d+)?/)?${part}(?:/${part})*(?::\\w[\\w.-]{0,127})?(?:@sha256:[0-9a-f]{64})?$`).test(
    name,
  )
}

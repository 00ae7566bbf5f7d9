/** Questions about a pod's spec that several parts of the kubelet ask. */
import type { Container, ContainerRestartRule, Pod } from '../../api/kinds/core/v1.ts'

/** `name_namespace(uid)`: how upstream names a pod in messages. */
export function describePod(pod: Pod): string {
  return `${pod.metadata.name}_${pod.metadata.namespace}(${pod.metadata.uid})`
}

/** An init container that stays: it starts in its place and then runs beside the regular ones. */
export function isSidecar(container: Container): boolean {
  return container.restartPolicy === 'Always'
}

export function allSpecContainers(pod: Pod): Container[] {
  return [...(pod.spec?.initContainers ?? []), ...(pod.spec?.containers ?? []), ...(pod.spec?.ephemeralContainers ?? [])]
}

export function findContainer(pod: Pod, name: string): Container | undefined {
  return allSpecContainers(pod).find((container) => container.name === name)
}

/** `spec.containers{main}`: the part of the pod that an event is about. */
export function fieldPathOf(pod: Pod, name: string): string {
  if (pod.spec?.initContainers?.some((c) => c.name === name)) return `spec.initContainers{${name}}`
  if (pod.spec?.ephemeralContainers?.some((c) => c.name === name)) return `spec.ephemeralContainers{${name}}`
  return `spec.containers{${name}}`
}

/** The first rule that the exit code meets: those after it say nothing. */
export function matchingRestartRule(container: Container, exitCode: number): ContainerRestartRule | undefined {
  return container.restartPolicyRules?.find(({ exitCodes }) => {
    const { operator, values = [] } = exitCodes ?? {}
    return operator === 'In' ? values.includes(exitCode) : operator === 'NotIn' && !values.includes(exitCode)
  })
}

/** Whether a container that ended with `exitCode` runs again: its own rules, then its own policy, then the pod's. */
export function shouldRestart(pod: Pod, container: Container, exitCode: number): boolean {
  const action = matchingRestartRule(container, exitCode)?.action
  if (action === 'Restart' || action === 'RestartAllContainers') return true
  const policy = container.restartPolicy ?? pod.spec?.restartPolicy ?? 'Always'
  return policy === 'Always' || (policy === 'OnFailure' && exitCode !== 0)
}

/** An init container under the pod's policy Always is tried again only when it failed. */
export function shouldRestartInit(pod: Pod, container: Container, exitCode: number): boolean {
  return exitCode !== 0 && shouldRestart(pod, container, exitCode)
}

export function isTerminalPhase(phase: string | undefined): boolean {
  return phase === 'Succeeded' || phase === 'Failed'
}

export function usesHostNetwork(pod: Pod): boolean {
  return pod.spec?.hostNetwork === true
}

/** What the kubelet's server must know of the pods on this node; the kubelet's own `pods` is one of these. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { ProbeCount } from '../probes/podProbes.ts'

export interface KubeletPods {
  get(namespace: string, name: string): Pod | undefined
  /** Every pod bound to this node. */
  all(): readonly Pod[]
  /** Pods with something that runs, as the runtime has them. */
  running(): readonly Pod[]
  /** How the probes of running containers ended. */
  probeCounts(): readonly ProbeCount[]
  /** The runtime's id of a container (init and ephemeral ones too): of its newest instance, or of the one before with `previous`. */
  containerId(podUid: string, containerName: string, options?: { previous?: boolean }): string | undefined
  /** The sandbox that is running, if one is. */
  sandboxId(podUid: string): string | undefined
}

export interface ServedPod {
  pod: Pod
  sandboxId: string | undefined
  containerId(name: string, options?: { previous?: boolean }): string | undefined
}

export function servedPod(pods: KubeletPods, pod: Pod): ServedPod {
  const uid = pod.metadata.uid ?? ''
  return { pod, sandboxId: pods.sandboxId(uid), containerId: (name, options) => pods.containerId(uid, name, options) }
}

export function findServedPod(pods: KubeletPods, namespace: string, name: string): ServedPod | undefined {
  const pod = pods.get(namespace, name)
  return pod && servedPod(pods, pod)
}

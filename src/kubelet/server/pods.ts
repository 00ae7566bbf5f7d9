/** What the kubelet's server must know of the pods on this node. The pod workers implement it. */
import type { Pod } from '../../api/kinds/core/v1.ts'

export interface ServedPod {
  pod: Pod
  /** Undefined while the pod has no sandbox. */
  sandboxId: string | undefined
  /**
   * The runtime's id of the newest container of that name (init and ephemeral containers too), or with `previous` of the one before
   * it. Undefined where there is none.
   */
  containerId(name: string, options?: { previous?: boolean }): string | undefined
}

export interface KubeletPods {
  find(namespace: string, podName: string): ServedPod | undefined
  /** Every pod bound to this node. */
  list(): readonly ServedPod[]
}

/** That the kubelet ends a pod which might have gone on, as its status and event say it. */
export interface Eviction {
  reason: string
  message: string
  /** What the condition DisruptionTarget says; the message unless given. */
  disruption?: string
  /** What the pod is given at most; its own grace unless given. */
  graceSeconds?: number
  /** Whether an event tells of it. */
  quiet?: boolean
}

/** What the kubelet keeps with a container in the runtime, so that it can do right by it after a restart of its own. */
export const annotation = {
  hash: 'io.kubernetes.container.hash',
  terminationMessagePath: 'io.kubernetes.container.terminationMessagePath',
  terminationMessagePolicy: 'io.kubernetes.container.terminationMessagePolicy',
  gracePeriod: 'io.kubernetes.pod.terminationGracePeriod',
  /** JSON of the lifecycle handler. */
  preStop: 'io.kubernetes.container.preStopHandler',
  /** JSON of status.user. */
  user: 'io.kubernetes.container.user',
} as const

/** What the kubelet's own server knows of the pods: those of the API with what was observed of them. */
import type { KubeletOptions } from './kubeletOptions.ts'
import { podsOfNode } from './kubeletOptions.ts'
import type { KubeletParts } from './parts/kubeletParts.ts'
import { readySandbox } from './pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from './pods/podRuntimeStatus.ts'
import type { KubeletPods } from './server/pods.ts'

export function podProvider(options: KubeletOptions, parts: () => KubeletParts | undefined): KubeletPods {
  const observedOf = (podUid: string): PodRuntimeStatus | undefined => {
    const { observer, statics } = parts() ?? {}
    return observer?.last(statics?.uidBehind(podUid) ?? podUid)
  }
  return {
    get: (namespace, name) => podsOfNode(options).get(`${namespace}/${name}`),
    all: () => podsOfNode(options).list(),
    probeCounts: () => parts()?.probes.counts() ?? [],
    running() {
      const all = [...podsOfNode(options).list()]
      return all.flatMap(({ metadata, spec }) => {
        const status = observedOf(metadata.uid)
        const running = (spec?.containers ?? []).filter(({ name }) => status?.containers.get(name)?.[0]?.state === 'Running')
        if (running.length === 0) return []
        const { name, namespace, uid, creationTimestamp } = metadata
        const containers = running.map((container) => ({
          name: container.name,
          ...(container.image && { image: container.image }),
          resources: {},
        }))
        return [{ metadata: { name, namespace, uid, creationTimestamp, resourceVersion: '' }, spec: { containers }, status: {} }]
      })
    },
    containerId(podUid, containerName, { previous = false } = {}) {
      return observedOf(podUid)?.containers.get(containerName)?.[previous ? 1 : 0]?.id
    },
    sandboxId(podUid) {
      const status = observedOf(podUid)
      return status && readySandbox(status)?.id
    },
  }
}

/** The pod resources API (podresources v1) on a socket of the node: monitors of devices ask there which pod has which. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { aborted } from '../../base/abort.ts'
import { serveGrpc } from '../grpc/server.ts'
import { RPC, RpcError } from '../grpc/socket.ts'
import type { Message } from '../grpc/wire.ts'
import { isSidecar, isTerminalPhase } from '../pods/podSpec.ts'
import type { DeviceManager } from './deviceManager.ts'

export interface PodResourcesOptions {
  /** `pod-resources` of the kubelet's folder. */
  directory: string
  devices: DeviceManager
  pods: () => readonly Pod[]
  signal: AbortSignal
}

const SERVICE = '/v1.PodResourcesLister'

function resourcesOf(pod: Pod, devices: DeviceManager): Message {
  const claims = devices.claimsOf(pod.metadata.uid)
  const containers = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])]
  return {
    1: pod.metadata.name,
    2: pod.metadata.namespace ?? '',
    3: containers.map(({ name }) => ({
      1: name,
      2: claims.filter(({ container }) => container === name).map(({ resource, ids }) => ({ 1: resource, 2: ids })),
    })),
  }
}

export async function servePodResources({ directory, devices, pods, signal }: PodResourcesOptions): Promise<void> {
  await mkdir(directory, { recursive: true, mode: 0o750 })
  const active = (): Pod[] => pods().filter(({ status }) => !isTerminalPhase(status?.phase))
  const server = await serveGrpc(join(directory, 'kubelet.sock'), {
    [`${SERVICE}/List`]: () => Promise.resolve({ 1: active().map((pod) => resourcesOf(pod, devices)) }),
    [`${SERVICE}/Get`]: async (request) => {
      const [name, namespace] = [request.text(1), request.text(2)]
      const pod = active().find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
      if (!pod) throw new RpcError(RPC.Unknown, `pod ${name} in namespace ${namespace} not found`)
      return { 1: resourcesOf(pod, devices) }
    },
    [`${SERVICE}/GetAllocatableResources`]: () =>
      Promise.resolve({ 1: [...devices.allocatable()].map(([resource, ids]) => ({ 1: resource, 2: ids })) }),
  })
  await aborted(signal)
  server.close()
}

/** The pod resources API (podresources v1) on a socket of the node: monitors of devices ask there which pod has which. */
import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Container, Pod } from '../../api/kinds/core/v1.ts'
import { aborted } from '../../base/abort.ts'
import { serveGrpc } from '../grpc/server.ts'
import { RPC, RpcError } from '../grpc/socket.ts'
import type { Message } from '../grpc/wire.ts'
import { isSidecar, isTerminalPhase } from '../pods/podSpec.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { DeviceManager } from './deviceManager.ts'

export interface PodResourcesOptions {
  /** `pod-resources` of the kubelet's folder. */
  directory: string
  devices: DeviceManager
  claims: Pick<DynamicResources, 'devicesByClaim'>
  pods: () => readonly Pod[]
  signal: AbortSignal
}

const SERVICE = '/v1.PodResourcesLister'

/** What a container has by the pod's claims; of a claim whose name is not known yet it has nothing. */
function claimed(pod: Pod, container: Container, claims: PodResourcesOptions['claims']): Message[] {
  return [...claims.devicesByClaim(pod, container)].map(([name, devices]) => ({
    2: name,
    3: pod.metadata.namespace ?? '',
    4: devices.map(({ cdiDevices, driver, pool, device, shareId }) => ({
      1: cdiDevices.map((id) => ({ 1: id })),
      2: driver,
      3: pool,
      4: device,
      5: shareId,
    })),
  }))
}

function resourcesOf(pod: Pod, { devices, claims }: Pick<PodResourcesOptions, 'devices' | 'claims'>): Message {
  const given = devices.claimsOf(pod.metadata.uid)
  const containers = [...(pod.spec?.initContainers ?? []).filter(isSidecar), ...(pod.spec?.containers ?? [])]
  return {
    1: pod.metadata.name,
    2: pod.metadata.namespace ?? '',
    3: containers.map((container) => ({
      1: container.name,
      2: given.filter((one) => one.container === container.name).map(({ resource, ids }) => ({ 1: resource, 2: ids })),
      5: claimed(pod, container, claims),
    })),
  }
}

export async function servePodResources({ directory, devices, claims, pods, signal }: PodResourcesOptions): Promise<void> {
  const of = (pod: Pod): Message => resourcesOf(pod, { devices, claims })
  await mkdir(directory, { recursive: true, mode: 0o750 })
  const active = (): Pod[] => pods().filter(({ status }) => !isTerminalPhase(status?.phase))
  const server = await serveGrpc(join(directory, 'kubelet.sock'), {
    [`${SERVICE}/List`]: () => Promise.resolve({ 1: active().map(of) }),
    [`${SERVICE}/Get`]: async (request) => {
      const [name, namespace] = [request.text(1), request.text(2)]
      const pod = active().find(({ metadata }) => metadata.name === name && metadata.namespace === namespace)
      if (!pod) throw new RpcError(RPC.Unknown, `pod ${name} in namespace ${namespace} not found`)
      return { 1: of(pod) }
    },
    [`${SERVICE}/GetAllocatableResources`]: () =>
      Promise.resolve({ 1: [...devices.allocatable()].map(([resource, ids]) => ({ 1: resource, 2: ids })) }),
  })
  await aborted(signal)
  server.close()
}

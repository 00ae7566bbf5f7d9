/** Which container has which devices, and the record of it in the form of upstream's checkpoint: tools about devices read that file. Pure. */
import { encodeMessage, type Message } from '../grpc/wire.ts'
import type { DeviceGrant } from './devicePlugin.ts'

export interface DeviceClaim {
  container: string
  resource: string
  ids: readonly string[]
  grant: DeviceGrant
}

interface Entry {
  PodUID: string
  ContainerName: string
  ResourceName: string
  /** By NUMA node; -1 where it does not matter. */
  DeviceIDs: Record<string, string[]>
  /** The plugin's answer as it would send it. */
  AllocResp: string
  Grant: DeviceGrant
}

interface Checkpoint {
  Data: { PodDeviceEntries: Entry[] | null; RegisteredDevices: Record<string, string[]> }
  Checksum: number
}

const NO_NUMA_NODE = '-1'

function response({ env, mounts, devices, annotations, cdiDevices }: DeviceGrant): Message {
  return {
    1: new Map(Object.entries(env)),
    2: mounts.map(({ containerPath, hostPath, readOnly }) => ({ 1: containerPath, 2: hostPath, 3: readOnly })),
    3: devices.map(({ containerPath, hostPath, permissions }) => ({ 1: containerPath, 2: hostPath, 3: permissions })),
    4: new Map(Object.entries(annotations)),
    5: cdiDevices.map((name) => ({ 1: name })),
  }
}

export class DeviceClaims {
  readonly #byPod = new Map<string, DeviceClaim[]>()

  of(podUid: string): readonly DeviceClaim[] {
    return this.#byPod.get(podUid) ?? []
  }

  taken(resource: string): Set<string> {
    return new Set([...this.#byPod.values()].flat().flatMap((claim) => (claim.resource === resource ? claim.ids : [])))
  }

  add(podUid: string, claim: DeviceClaim): void {
    this.#byPod.set(podUid, [...this.of(podUid), claim])
  }

  pods(): string[] {
    return [...this.#byPod.keys()]
  }

  /** Whether the pod had any. */
  release(podUid: string): boolean {
    return this.#byPod.delete(podUid)
  }

  text(registered: ReadonlyMap<string, readonly string[]>): string {
    const entries = [...this.#byPod].flatMap(([uid, claims]) =>
      claims.map(({ container, resource, ids, grant }): Entry => {
        const answer = Buffer.from(encodeMessage(response(grant))).toString('base64')
        const DeviceIDs = { [NO_NUMA_NODE]: [...ids] }
        return { PodUID: uid, ContainerName: container, ResourceName: resource, DeviceIDs, AllocResp: answer, Grant: grant }
      }),
    )
    const RegisteredDevices = Object.fromEntries([...registered].map(([name, ids]) => [name, [...ids]]))
    return JSON.stringify({ Data: { PodDeviceEntries: entries, RegisteredDevices }, Checksum: 0 } satisfies Checkpoint)
  }

  /** Answers the resources that there were. */
  restore(text: string): string[] {
    const { Data } = JSON.parse(text) as Checkpoint
    for (const { PodUID, ContainerName, ResourceName, DeviceIDs, Grant } of Data.PodDeviceEntries ?? [])
      this.add(PodUID, { container: ContainerName, resource: ResourceName, ids: Object.values(DeviceIDs).flat(), grant: Grant })
    return Object.keys(Data.RegisteredDevices)
  }
}

/** The calls of the Container Storage Interface (csi.v1.Node) that a kubelet makes, over a unix socket. */
import { GrpcSocket } from '../grpc/socket.ts'
import { Decoded, encodeMessage, type Message } from '../grpc/wire.ts'

const CALL_TIMEOUT_MS = 120_000

/** In the numbering of csi.v1.VolumeCapability.AccessMode. */
const ACCESS_MODES: Readonly<Record<string, number>> = { ReadWriteOnce: 1, ReadOnlyMany: 3, ReadWriteMany: 5, ReadWriteOncePod: 1 }
/** For drivers that tell one pod of a node from several. */
const EXACT_ACCESS_MODES: typeof ACCESS_MODES = { ...ACCESS_MODES, ReadWriteOnce: 7, ReadWriteOncePod: 6 }
/** In the numbering of csi.v1.NodeServiceCapability.RPC. */
export const STAGE_UNSTAGE_VOLUME = 1
export const GET_VOLUME_STATS = 2
export const EXPAND_VOLUME = 3
const SINGLE_NODE_MULTI_WRITER = 5
export const VOLUME_MOUNT_GROUP = 6

export interface DriverNode {
  nodeId: string
  maxVolumesPerNode: number
  topology: ReadonlyMap<string, string>
}

/** By what it is counted in, in the numbering of csi.v1.VolumeUsage.Unit. */
export interface VolumeUsage {
  unit: 'bytes' | 'inodes' | undefined
  available: number
  total: number
  used: number
}

const USAGE_UNITS = [undefined, 'bytes', 'inodes'] as const

export interface VolumeCall {
  volumeId: string
  publishContext: ReadonlyMap<string, string>
  volumeContext: ReadonlyMap<string, string>
  secrets: ReadonlyMap<string, string>
  accessMode: string
  /** What the driver's node service can do. */
  capabilities?: ReadonlySet<number>
  fsType: string
  mountOptions: readonly string[]
  stagingPath: string
  /** A device instead of a file system. */
  block: boolean
  /** The group that the driver itself is to give the files to. */
  mountGroup?: string
}

function capability({ accessMode, capabilities, fsType, mountOptions, block, mountGroup }: VolumeCall): Message {
  const modes = capabilities?.has(SINGLE_NODE_MULTI_WRITER) ? EXACT_ACCESS_MODES : ACCESS_MODES
  const access = { 1: modes[accessMode] ?? 1 }
  return block ? { 1: {}, 3: access } : { 2: { 1: fsType, 2: mountOptions, 3: mountGroup }, 3: access }
}

/** A connection to one socket, for as long as `close` is not called. */
export class Socket {
  readonly #socket: GrpcSocket

  constructor(path: string) {
    this.#socket = new GrpcSocket(path)
  }

  async #call(method: string, message: Message): Promise<Decoded> {
    return new Decoded(await this.#socket.call(method, encodeMessage(message), CALL_TIMEOUT_MS))
  }

  async nodeInfo(): Promise<DriverNode> {
    const info = await this.#call('/csi.v1.Node/NodeGetInfo', {})
    return { nodeId: info.text(1), maxVolumesPerNode: info.number(2), topology: info.messages(3)[0]?.map(1) ?? new Map() }
  }

  async capabilities(): Promise<ReadonlySet<number>> {
    const answer = await this.#call('/csi.v1.Node/NodeGetCapabilities', {})
    return new Set(answer.messages(1).flatMap((each) => each.messages(1).map((rpc) => rpc.number(1))))
  }

  async stage(call: VolumeCall): Promise<void> {
    await this.#call('/csi.v1.Node/NodeStageVolume', {
      1: call.volumeId,
      2: call.publishContext,
      3: call.stagingPath,
      4: capability(call),
      5: call.secrets,
      6: call.volumeContext,
    })
  }

  async unstage(volumeId: string, stagingPath: string): Promise<void> {
    await this.#call('/csi.v1.Node/NodeUnstageVolume', { 1: volumeId, 2: stagingPath })
  }

  /** `stagingPath` is empty for drivers that stage nothing. */
  async publish(call: VolumeCall, targetPath: string, readOnly: boolean): Promise<void> {
    await this.#call('/csi.v1.Node/NodePublishVolume', {
      1: call.volumeId,
      2: call.publishContext,
      3: call.stagingPath,
      4: targetPath,
      5: capability(call),
      6: readOnly,
      7: call.secrets,
      8: call.volumeContext,
    })
  }

  async unpublish(volumeId: string, targetPath: string): Promise<void> {
    await this.#call('/csi.v1.Node/NodeUnpublishVolume', { 1: volumeId, 2: targetPath })
  }

  async expand(call: VolumeCall, volumePath: string, requiredBytes: number): Promise<void> {
    await this.#call('/csi.v1.Node/NodeExpandVolume', {
      1: call.volumeId,
      2: volumePath,
      3: { 1: requiredBytes },
      4: call.stagingPath,
      5: capability(call),
      6: call.secrets,
    })
  }

  async volumeStats(volumeId: string, volumePath: string, stagingPath: string): Promise<VolumeUsage[]> {
    const answer = await this.#call('/csi.v1.Node/NodeGetVolumeStats', { 1: volumeId, 2: volumePath, 3: stagingPath })
    return answer
      .messages(1)
      .map((one) => ({ unit: USAGE_UNITS[one.number(4)], available: one.number(1), total: one.number(2), used: one.number(3) }))
  }

  close(): void {
    this.#socket.close()
  }
}

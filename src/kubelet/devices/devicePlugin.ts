/** The calls of the device plugin API (v1beta1) that a kubelet makes to one plugin, over its socket. */
import { GrpcSocket } from '../grpc/socket.ts'
import { Decoded, encodeMessage, type Message } from '../grpc/wire.ts'

const CALL_TIMEOUT_MS = 30_000
const SERVICE = '/v1beta1.DevicePlugin'
const HEALTHY = 'Healthy'

export interface DevicePluginOptions {
  preStartRequired: boolean
  preferredAllocationAvailable: boolean
}

export const pluginOptions = (message: Decoded | undefined): DevicePluginOptions => ({
  preStartRequired: message?.number(1) === 1,
  preferredAllocationAvailable: message?.number(2) === 1,
})

export interface Device {
  id: string
  healthy: boolean
}

/** What a container gets with its devices. */
export interface DeviceGrant {
  env: Readonly<Record<string, string>>
  mounts: readonly { containerPath: string; hostPath: string; readOnly: boolean }[]
  devices: readonly { containerPath: string; hostPath: string; permissions: string }[]
  annotations: Readonly<Record<string, string>>
  /** Fully qualified names of the Container Device Interface. */
  cdiDevices: readonly string[]
}

export class DevicePlugin {
  readonly #socket: GrpcSocket

  constructor(path: string) {
    this.#socket = new GrpcSocket(path)
  }

  async #call(method: string, message: Message): Promise<Decoded> {
    return new Decoded(await this.#socket.call(`${SERVICE}/${method}`, encodeMessage(message), CALL_TIMEOUT_MS))
  }

  async options(): Promise<DevicePluginOptions> {
    return pluginOptions(await this.#call('GetDevicePluginOptions', {}))
  }

  /** Tells all devices whenever one has changed; rejects when the plugin is gone. */
  follow(onDevices: (devices: readonly Device[]) => void, signal: AbortSignal): Promise<never> {
    const tell = (message: Buffer): void => {
      const devices = new Decoded(message).messages(1)
      onDevices(devices.map((device) => ({ id: device.text(1), healthy: device.text(2) === HEALTHY })))
    }
    return this.#socket.follow(`${SERVICE}/ListAndWatch`, encodeMessage({}), tell, signal)
  }

  /** Which of the available devices the plugin would take, those that must be among them included. */
  async preferred(available: readonly string[], mustInclude: readonly string[], count: number): Promise<string[]> {
    const reply = await this.#call('GetPreferredAllocation', { 1: [{ 1: available, 2: mustInclude, 3: count }] })
    return reply.messages(1)[0]?.texts(1) ?? []
  }

  async allocate(ids: readonly string[]): Promise<DeviceGrant> {
    const [grant] = (await this.#call('Allocate', { 1: [{ 1: ids }] })).messages(1)
    if (!grant) throw new Error('the device plugin answered for no container')
    return {
      env: Object.fromEntries(grant.map(1)),
      mounts: grant.messages(2).map((m) => ({ containerPath: m.text(1), hostPath: m.text(2), readOnly: m.number(3) === 1 })),
      devices: grant.messages(3).map((d) => ({ containerPath: d.text(1), hostPath: d.text(2), permissions: d.text(3) })),
      annotations: Object.fromEntries(grant.map(4)),
      cdiDevices: grant.messages(5).map((device) => device.text(1)),
    }
  }

  async preStart(ids: readonly string[]): Promise<void> {
    await this.#call('PreStartContainer', { 1: ids })
  }

  close(): void {
    this.#socket.close()
  }
}

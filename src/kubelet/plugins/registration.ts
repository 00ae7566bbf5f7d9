/** The calls of plugin registration (pluginregistration) that a kubelet makes to a plugin that announces itself by its socket. */
import { GrpcSocket } from '../grpc/socket.ts'
import { Decoded, encodeMessage, type Message } from '../grpc/wire.ts'

const CALL_TIMEOUT_MS = 10_000

export interface PluginInfo {
  type: string
  name: string
  /** The plugin's own socket. */
  endpoint: string
  supportedVersions: readonly string[]
}

export class Registration {
  readonly #path: string
  readonly #socket: GrpcSocket

  constructor(path: string) {
    this.#path = path
    this.#socket = new GrpcSocket(path)
  }

  async #call(method: string, message: Message): Promise<Decoded> {
    return new Decoded(await this.#socket.call(`/pluginregistration.Registration/${method}`, encodeMessage(message), CALL_TIMEOUT_MS))
  }

  async info(): Promise<PluginInfo> {
    const info = await this.#call('GetInfo', {})
    return { type: info.text(1), name: info.text(2), endpoint: info.text(3) || this.#path, supportedVersions: info.texts(4) }
  }

  /** Of how it went: with the reason, where it did not. */
  async notify(error: string | undefined): Promise<void> {
    await this.#call('NotifyRegistrationStatus', { 1: error === undefined, 2: error ?? '' })
  }

  close(): void {
    this.#socket.close()
  }
}

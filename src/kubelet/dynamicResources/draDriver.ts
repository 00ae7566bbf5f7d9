/** The calls of the DRA plugin API (v1 and v1beta1) that a kubelet makes to one driver, over its socket. */
import { GrpcSocket, RPC, RpcError } from '../grpc/socket.ts'
import { Decoded, encodeMessage } from '../grpc/wire.ts'

/** As drivers name what they serve; the first of theirs that is known is taken. */
const SERVICES: Readonly<Record<string, string>> = {
  'v1.DRAPlugin': '/k8s.io.kubelet.pkg.apis.dra.v1.DRAPlugin',
  'v1beta1.DRAPlugin': '/k8s.io.kubelet.pkg.apis.dra.v1beta1.DRAPlugin',
}
const HEALTH_SERVICE = '/v1alpha1.DRAResourceHealth'
const CALL_TIMEOUT_MS = 45_000
const HEALTH = ['Unknown', 'Healthy', 'Unhealthy'] as const
const DEFAULT_HEALTH_SECONDS = 30
const MAX_HEALTH_MESSAGE_CHARS = 1024

export interface ClaimReference {
  namespace: string
  name: string
  uid: string
}

/** What a driver has made ready for a claim. */
export interface PreparedDevice {
  /** Of the claim; none: of all. */
  requests: readonly string[]
  pool: string
  device: string
  /** Fully qualified names of the Container Device Interface. */
  cdiDevices: readonly string[]
  shareId?: string
}

export interface DeviceHealth {
  pool: string
  device: string
  health: (typeof HEALTH)[number]
  message: string
  /** For how long it holds without being told again. */
  validMs: number
}

/** What the driver answered of one claim. */
interface Answer {
  uid: string
  error: string
  devices: PreparedDevice[]
}

/** The path of the service that is spoken with a driver that serves these. */
export function serviceOf(supported: readonly string[]): string {
  if (supported.length === 0) throw new Error('empty list of supported gRPC services (aka supported versions)')
  const chosen = supported.find((version) => Object.hasOwn(SERVICES, version))
  const quoted = (names: readonly string[]): string => `[${names.map((name) => JSON.stringify(name)).join(' ')}]`
  if (chosen === undefined)
    throw new Error(
      `none of services supported by the plugin (${quoted(supported)}) are supported by the kubelet (${quoted(Object.keys(SERVICES))})`,
    )
  return SERVICES[chosen] as string
}

function preparedDevice(device: Decoded): PreparedDevice {
  const shareId = device.text(5)
  return {
    requests: device.texts(1),
    pool: device.text(2),
    device: device.text(3),
    cdiDevices: device.texts(4),
    ...(shareId && { shareId }),
  }
}

function cut(message: string): string {
  return message.length <= MAX_HEALTH_MESSAGE_CHARS ? message : `${message.slice(0, MAX_HEALTH_MESSAGE_CHARS - 3)}...`
}

function deviceHealth(told: Decoded): DeviceHealth {
  const [device] = told.messages(1)
  const seconds = told.number(4)
  return {
    pool: device?.text(1) ?? '',
    device: device?.text(2) ?? '',
    health: HEALTH[told.number(2)] ?? 'Unknown',
    message: cut(told.text(5)),
    validMs: (seconds > 0 ? seconds : DEFAULT_HEALTH_SECONDS) * 1000,
  }
}

export class DraDriver {
  readonly name: string
  readonly endpoint: string
  readonly #service: string
  readonly #socket: GrpcSocket
  readonly #measure: (method: string, code: number, seconds: number) => void

  constructor(options: { name: string; endpoint: string; service: string; measure(method: string, code: number, seconds: number): void }) {
    this.name = options.name
    this.endpoint = options.endpoint
    this.#service = options.service
    this.#socket = new GrpcSocket(options.endpoint)
    this.#measure = options.measure
  }

  /** Throws an Error in upstream's words unless all of them are ready. */
  async prepare(claims: readonly ClaimReference[]): Promise<Map<string, readonly PreparedDevice[]>> {
    const answers = await this.#all('NodePrepareResources', claims, (answer, uid): Answer => {
      return { uid, error: answer?.text(2) ?? '', devices: answer?.messages(1).map(preparedDevice) ?? [] }
    })
    return new Map(answers.map(({ uid, devices }) => [uid, devices]))
  }

  /** Throws an Error in upstream's words unless all of them are given back. */
  async unprepare(claims: readonly ClaimReference[]): Promise<void> {
    await this.#all('NodeUnprepareResources', claims, (answer, uid): Answer => ({ uid, error: answer?.text(1) ?? '', devices: [] }))
  }

  async #all(
    method: string,
    claims: readonly ClaimReference[],
    read: (answer: Decoded | undefined, uid: string) => Answer,
  ): Promise<Answer[]> {
    const request = { 1: claims.map(({ namespace, uid, name }) => ({ 1: namespace, 2: uid, 3: name })) }
    const beganMs = performance.now()
    const path = `${this.#service}/${method}`
    const measure = (code: number): void => this.#measure(path, code, (performance.now() - beganMs) / 1000)
    let reply: Decoded
    try {
      reply = new Decoded(await this.#socket.call(path, encodeMessage(request), CALL_TIMEOUT_MS))
      measure(0)
    } catch (error) {
      measure(error instanceof RpcError ? error.code : RPC.Unknown)
      throw new Error(`${method}: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
    }
    const answers = reply.messages(1).map((entry) => read(entry.messages(2)[0], entry.text(1)))
    for (const { uid, error } of answers) {
      const claim = claims.find((one) => one.uid === uid)
      if (!claim) throw new Error(`${method} returned result for unknown claim UID ${uid}`)
      if (error) throw new Error(`${method} failed for ResourceClaim ${claim.name}: ${error}`)
    }
    if (answers.length < claims.length) throw new Error(`${method} skipped ${claims.length - answers.length} ResourceClaims`)
    return answers
  }

  /** Tells of all devices whenever one has changed; rejects when the driver is gone, or does not tell of health. */
  watchHealth(onDevices: (devices: readonly DeviceHealth[]) => void, signal: AbortSignal): Promise<never> {
    const tell = (message: Buffer): void => onDevices(new Decoded(message).messages(1).map(deviceHealth))
    return this.#socket.follow(`${HEALTH_SERVICE}/NodeWatchResources`, encodeMessage({}), tell, signal)
  }

  close(): void {
    this.#socket.close()
  }
}

/**
 * Byte streams to programs inside the node, over the engine's API alone, so that they work wherever the engine is: an exec
 * without a terminal, whose framed output is taken apart. A relay (`nc`) in the node makes sockets of them.
 */
import http from 'node:http'
import { Duplex } from 'node:stream'
import type Docker from 'dockerode'
import { loadDockerode } from './engine/dockerode.ts'

const HEADER_BYTES = 8
const STDERR = 2
const STDERR_LIMIT_BYTES = 4_096

/** Takes the engine's frames apart: one byte for the stream, three zeros, four for the length, then the bytes. Pure but for its rest. */
export class FrameReader {
  #rest: Buffer = Buffer.alloc(0)

  read(chunk: Buffer): { stream: number; payload: Buffer }[] {
    let data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk
    const frames: { stream: number; payload: Buffer }[] = []
    while (data.length >= HEADER_BYTES) {
      const end = HEADER_BYTES + data.readUInt32BE(4)
      if (data.length < end) break
      frames.push({ stream: data[0] as number, payload: data.subarray(HEADER_BYTES, end) })
      data = data.subarray(end)
    }
    this.#rest = data
    return frames
  }
}

class ExecStream extends Duplex {
  readonly #socket: Duplex
  readonly #frames = new FrameReader()
  #said = ''

  constructor(socket: Duplex) {
    super({ allowHalfOpen: true })
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    socket.on('end', () => this.push(null))
    socket.on('error', (error) => this.destroy(error))
    socket.on('close', () => {
      if (!this.readableEnded) this.push(null)
    })
  }

  #onData(chunk: Buffer): void {
    for (const { stream, payload } of this.#frames.read(chunk)) {
      if (stream === STDERR) this.#said = (this.#said + payload.toString()).slice(-STDERR_LIMIT_BYTES)
      else if (!this.push(payload)) this.#socket.pause()
    }
  }

  /** What the program said on its standard error. */
  get said(): string {
    return this.#said.trim()
  }

  override _read(): void {
    this.#socket.resume()
  }

  override _write(chunk: Buffer, encoding: BufferEncoding, callback: (error?: Error | null) => void): void {
    this.#socket.write(chunk, encoding, callback)
  }

  override _final(callback: () => void): void {
    this.#socket.end(callback)
  }

  override _destroy(error: Error | null, callback: (error: Error | null) => void): void {
    this.#socket.destroy()
    callback(error)
  }

  // What http expects of a socket.
  setNoDelay(): this {
    return this
  }
  setKeepAlive(): this {
    return this
  }
  setTimeout(): this {
    return this
  }
  ref(): this {
    return this
  }
  unref(): this {
    return this
  }
}

export async function openNodeStream(container: Docker.Container, command: string[]): Promise<Duplex> {
  const exec = await container.exec({ Cmd: command, AttachStdin: true, AttachStdout: true, AttachStderr: true, Tty: false })
  return new ExecStream(await exec.start({ hijack: true, stdin: true, Tty: false }))
}

const OUTPUT_LIMIT_BYTES = 1 << 20

/** What a program in the node prints. Throws with what it said where it fails. */
export async function outputInNode(container: Docker.Container, command: string[], signal: AbortSignal): Promise<string> {
  const exec = await container.exec({ Cmd: command, AttachStdout: true, AttachStderr: true, Tty: false })
  const stream = new ExecStream(await exec.start({ hijack: true, stdin: true, Tty: false }))
  const chunks: Buffer[] = []
  let sizeBytes = 0
  for await (const chunk of stream) {
    signal.throwIfAborted()
    sizeBytes += (chunk as Buffer).length
    if (sizeBytes > OUTPUT_LIMIT_BYTES) throw new Error(`${command.join(' ')} printed more than ${OUTPUT_LIMIT_BYTES} bytes`)
    chunks.push(chunk as Buffer)
  }
  const { ExitCode } = await exec.inspect()
  if (ExitCode !== 0) throw new Error(`${command.join(' ')} ended with ${ExitCode}: ${stream.said}`)
  return Buffer.concat(chunks).toString()
}

/** A connection to an address inside the node's network: node, pods and services alike. */
export function dialInNode(container: Docker.Container, host: string, port: number): Promise<Duplex> {
  return openNodeStream(container, ['nc', '-N', host, String(port)])
}

const INNER_SOCKET = '/run/docker.sock'

class RelayAgent extends http.Agent {
  readonly #container: Docker.Container

  constructor(container: Docker.Container) {
    super({ keepAlive: false })
    this.#container = container
  }

  override createConnection(_options: http.ClientRequestArgs, callback?: (error: Error | null, stream: Duplex) => void): undefined {
    void this.#connect(callback)
  }

  async #connect(callback?: (error: Error | null, stream: Duplex) => void): Promise<void> {
    let stream: Duplex
    try {
      stream = await openNodeStream(this.#container, ['nc', '-N', '-U', INNER_SOCKET])
    } catch (error) {
      callback?.(error as Error, undefined as unknown as Duplex)
      return
    }
    callback?.(null, stream)
  }
}

/** dockerode on the engine inside the node; every request is a connection of its own. */
export async function innerEngine(container: Docker.Container): Promise<Docker> {
  const Dockerode = await loadDockerode()
  return new Dockerode({ protocol: 'http', host: 'node', port: 80, agent: new RelayAgent(container) } as object)
}

/** Builds one image through the engine's API from a folder, plus files that exist in memory alone. */
import type Docker from 'dockerode'
import tar from 'tar-fs'
import { fullDiskError, saysDiskFull, UserError } from '../userError.ts'
import { MANAGED_LABEL } from '../names.ts'

export interface BuildImageOptions {
  docker: Docker
  /** The folder with the Dockerfile. */
  folder: string
  tag: string
  buildArgs?: Record<string, string>
  labels?: Record<string, string>
  extraFiles?: { name: string; content: Uint8Array }[]
  /** What RUN lines reach; the engine's default network unless given. */
  networkMode?: string
  onProgress(detail: string): void
  signal: AbortSignal
}

interface BuildMessage {
  stream?: string
  status?: string
  error?: string
}

export async function buildImage(options: BuildImageOptions): Promise<void> {
  const { docker, folder, tag, signal, extraFiles = [] } = options
  const context = tar.pack(folder, {
    // Owners and times of a checkout are nobody's business inside, and would make layers differ from machine to machine.
    map: (header) => ({ ...header, uid: 0, gid: 0, mtime: new Date(0) }),
    finalize: false,
    finish: (pack) => {
      for (const { name, content } of extraFiles)
        pack.entry({ name, mtime: new Date(0), mode: 0o644 }, Buffer.from(content.buffer, content.byteOffset, content.byteLength))
      pack.finalize()
    },
  })
  const stream = await docker.buildImage(context as unknown as NodeJS.ReadableStream, {
    t: tag,
    version: '1',
    rm: true,
    forcerm: true,
    labels: { [MANAGED_LABEL]: 'true', ...options.labels },
    ...(options.buildArgs && { buildargs: options.buildArgs }),
    ...(options.networkMode && { networkmode: options.networkMode }),
    abortSignal: signal,
  })
  const last: string[] = []
  await followProgress(stream, (message: BuildMessage) => {
    const text = (message.stream ?? message.status ?? '').trim()
    if (text) {
      last.push(text)
      if (last.length > 10) last.shift()
      options.onProgress(text)
    }
    if (message.error && saysDiskFull(message.error)) throw fullDiskError(`building the image ${tag} failed: ${message.error}`)
    if (message.error)
      throw new UserError({
        area: 'GUEST',
        sort: 'UNAVAILABLE',
        message: `building the image ${tag} failed: ${message.error}\n${last.join('\n')}`,
      })
  })
}

/** The engine answers a long job with JSON objects, one a line. */
export async function followProgress<Message>(stream: NodeJS.ReadableStream, onMessage: (message: Message) => void): Promise<void> {
  let rest = ''
  for await (const chunk of stream) {
    const lines = (rest + chunk.toString()).split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.trim()) onMessage(JSON.parse(line) as Message)
  }
  if (rest.trim()) onMessage(JSON.parse(rest) as Message)
}

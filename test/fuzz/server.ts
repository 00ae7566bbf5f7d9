/** A control plane in a process of its own, so that a crash is seen, and how one asks it. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { parse } from 'yaml'
import { atEnd } from '../ending.ts'

export interface Answer {
  status: number
  contentType: string
  body: Buffer
}

export interface Request {
  method: string
  /** With its query. */
  path: string
  headers?: Record<string, string>
  body?: string | Buffer
}

export interface FuzzedServer {
  ask(request: Request, options?: { anonymous?: boolean }): Promise<Answer>
  /** The process has ended by itself, with these last words. */
  death(): string | undefined
  residentBytes(): number
  stop(): Promise<void>
}

const ROOT = join(import.meta.dirname, '../..')
const READY_TIMEOUT_MS = 30_000
const ANSWER_TIMEOUT_MS = 10_000
const LAST_WORDS_CHARS = 4_000
/** Names that are path segments may be of any length; Node's client refuses to send what it takes for too long. */
const MAX_SENT_HEADER_BYTES = 1024 * 1024

export async function startFuzzedServer(): Promise<FuzzedServer> {
  const folder = mkdtempSync(join(tmpdir(), 'minicube-fuzz-'))
  const kubeconfig = join(folder, 'kubeconfig')
  const args = ['--listen', '127.0.0.1:0', '--data', 'memory', '--kubeconfig', kubeconfig, '--controllers', '*']
  const child = spawn(process.execPath, [join(ROOT, 'src/node/controlPlane.ts'), ...args], { stdio: ['ignore', 'pipe', 'pipe'] })
  child.once(
    'exit',
    atEnd(() => child.kill('SIGKILL')),
  )
  let [lastWords, isStopping] = ['', false]
  child.stderr.setEncoding('utf8').on('data', (text: string) => (lastWords = (lastWords + text).slice(-LAST_WORDS_CHARS)))
  const lines = createInterface({ input: child.stdout })
  const [line] = (await Promise.race([
    once(lines, 'line', { signal: AbortSignal.timeout(READY_TIMEOUT_MS) }),
    once(child, 'close').then(([code]) => {
      throw new Error(`the control plane ended with ${code}: ${lastWords}`)
    }),
  ])) as [string]
  const url = /https:\S+/.exec(line)?.[0]
  if (!url) throw new Error(`the control plane did not say where it listens: ${line}`)

  const config = parse(readFileSync(kubeconfig, 'utf8')) as {
    clusters: [{ cluster: { 'certificate-authority-data': string } }]
    users: [{ user: { 'client-certificate-data': string; 'client-key-data': string } }]
  }
  const pem = (text: string): string => Buffer.from(text, 'base64').toString()
  const ca = pem(config.clusters[0].cluster['certificate-authority-data'])
  const { user } = config.users[0]
  const sessions = {
    admin: new Sessions(url, { ca, cert: pem(user['client-certificate-data']), key: pem(user['client-key-data']) }),
    anonymous: new Sessions(url, { ca }),
  }
  return {
    ask: (request, { anonymous = false } = {}) => ask(sessions[anonymous ? 'anonymous' : 'admin'].open(), request),
    death: () => (child.exitCode === null && child.signalCode === null ? undefined : `${child.exitCode ?? child.signalCode}: ${lastWords}`),
    residentBytes: () => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${child.pid}/status`, 'utf8'))?.[1]) * 1024,
    async stop() {
      if (isStopping) return
      isStopping = true
      sessions.admin.close()
      sessions.anonymous.close()
      const exit = child.exitCode === null && child.signalCode === null ? once(child, 'exit') : undefined
      child.kill('SIGKILL')
      await exit
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** One session at a time; the server may close one at any moment, as clients must expect. */
class Sessions {
  readonly #url: string
  readonly #tls: { ca: string; cert?: string; key?: string }
  #current: ClientHttp2Session | undefined

  constructor(url: string, tls: { ca: string; cert?: string; key?: string }) {
    this.#url = url
    this.#tls = tls
  }

  open(): ClientHttp2Session {
    if (!this.#current || this.#current.closed || this.#current.destroyed) {
      this.#current = connect(this.#url, { ...this.#tls, maxSendHeaderBlockLength: MAX_SENT_HEADER_BYTES })
      this.#current.on('error', () => {})
    }
    return this.#current
  }

  close(): void {
    this.#current?.destroy()
  }
}

function ask(session: ClientHttp2Session, { method, path, headers = {}, body }: Request): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const stream = session.request({ ':method': method, ':path': path, ...headers }, { endStream: body === undefined })
    const chunks: Buffer[] = []
    let [status, contentType] = [0, '']
    stream.setTimeout(ANSWER_TIMEOUT_MS, () => stream.destroy(new Error(`no answer within ${ANSWER_TIMEOUT_MS} ms`)))
    stream.on('response', (got) => ([status, contentType] = [Number(got[':status']), String(got['content-type'] ?? '')]))
    stream.on('data', (chunk: Buffer) => chunks.push(chunk))
    stream.on('end', () => resolve({ status, contentType, body: Buffer.concat(chunks) }))
    stream.on('error', reject)
    if (body !== undefined) stream.end(body)
  })
}

/**
 * A connection to a port inside a sandbox. A process of its own must make it, since a process enters a network namespace
 * as a whole: `nsenter` and `socat` in the node's image, for as long as the connection lasts.
 */
import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { Duplex } from 'node:stream'

/** The other direction may go on this long after one has ended. */
const HALF_CLOSED_SECONDS = 3600
const CONNECTED = 'starting data transfer loop'
const COMPLAINTS_LIMIT_CHARS = 4096

/** Tries IPv4's loopback, then IPv6's. */
export async function dialInNamespaceOf(pid: number, port: number, signal: AbortSignal): Promise<Duplex> {
  try {
    return await dialOne(pid, `TCP4:127.0.0.1:${port}`, signal)
  } catch (error) {
    signal.throwIfAborted()
    return dialOne(pid, `TCP6:[::1]:${port}`, signal).catch(() => {
      throw error
    })
  }
}

async function dialOne(pid: number, address: string, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted()
  // Two -d: it says when it is connected.
  const child = spawn('nsenter', ['-t', String(pid), '-n', 'socat', '-d', '-d', '-t', String(HALF_CLOSED_SECONDS), 'STDIO', address])
  const onAbort = (): void => void child.kill('SIGKILL')
  signal.addEventListener('abort', onAbort, { once: true })
  try {
    await connected(child, address)
    return connectionOf(child)
  } catch (error) {
    signal.throwIfAborted()
    throw error
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}

async function connected(child: ChildProcessWithoutNullStreams, address: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < COMPLAINTS_LIMIT_CHARS) said += text
    if (said.includes(CONNECTED)) resolve()
  })
  child.stdin.on('error', () => {})
  child.on('error', (cause) => reject(new Error(`port forwarding needs nsenter: ${cause.message}`, { cause })))
  child.on('close', () => reject(new Error(complaintOf(said, address))))
  await promise
}

/** In the words of upstream's dialer, where we know them. */
export function complaintOf(said: string, address: string): string {
  const target = address.replace(/^TCP(\d):/, 'tcp$1 ')
  const refused = /Connection refused/i.test(said)
  return `dial ${target}: connect: ${refused ? 'connection refused' : said.trim().split('\n').at(-1) || 'the relay ended'}`
}

function connectionOf(child: ChildProcessWithoutNullStreams): Duplex {
  const connection = new Duplex({
    read: () => void child.stdout.resume(),
    write: (chunk: Buffer, _, done) => void child.stdin.write(chunk, done),
    final: (done) => void child.stdin.end(done),
    destroy(error, done) {
      child.kill('SIGKILL')
      done(error)
    },
  })
  child.stdout.on('data', (chunk: Buffer) => void (connection.push(chunk) || child.stdout.pause()))
  child.stdout.on('end', () => connection.push(null))
  // A broken connection is one that has closed: whoever reads it sees that.
  connection.on('error', () => {})
  return connection
}

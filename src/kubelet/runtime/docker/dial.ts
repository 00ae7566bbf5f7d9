/**
 * A connection to a port inside a sandbox. A process of its own must make it, since a process enters a network namespace
 * as a whole: `nsenter` (util-linux) and `socat` of the node's image, for as long as the connection lasts.
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { Duplex } from 'node:stream'

/** The other direction may go on this long after one has ended. */
const HALF_CLOSED_SECONDS = 3600
const CONNECTED = 'starting data transfer loop'
const COMPLAINTS_LIMIT_CHARS = 4096

/** Tries IPv4's loopback, then IPv6's. */
export async function dialInNamespace(netns: string, port: number, signal: AbortSignal): Promise<Duplex> {
  try {
    return await dialOne(netns, `TCP4:127.0.0.1:${port}`, signal)
  } catch (error) {
    signal.throwIfAborted()
    return dialOne(netns, `TCP6:[::1]:${port}`, signal).catch(() => {
      throw error
    })
  }
}

async function dialOne(netns: string, address: string, signal: AbortSignal): Promise<Duplex> {
  signal.throwIfAborted()
  // Two -d: it says when it is connected. Descriptor 3 is one end of a socket pair, so each direction can end on its own.
  const args = [`--net=${netns}`, 'socat', '-d', '-d', '-t', String(HALF_CLOSED_SECONDS), 'FD:3,shut-down', address]
  const child = spawn('nsenter', args, { stdio: ['ignore', 'ignore', 'pipe', 'pipe'] })
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

async function connected(child: ChildProcess, address: string): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  let said = ''
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    if (said.length < COMPLAINTS_LIMIT_CHARS) said += text
    if (said.includes(CONNECTED)) resolve()
  })
  child.on('error', (cause) => reject(new Error(`port forwarding needs nsenter: ${cause.message}`, { cause })))
  child.on('exit', () => reject(new Error(complaintOf(said, address))))
  await promise
}

/** In the words of upstream's dialer, where we know them. */
export function complaintOf(said: string, address: string): string {
  const target = address.replace(/^TCP(\d):/, 'tcp$1 ')
  const refused = /Connection refused/i.test(said)
  return `dial ${target}: connect: ${refused ? 'connection refused' : said.trim().split('\n').at(-1) || 'the relay ended'}`
}

function connectionOf(child: ChildProcess): Duplex {
  const connection = child.stdio[3]
  if (!(connection instanceof Duplex)) throw new TypeError('the relay has no connection')
  connection.allowHalfOpen = true
  // A broken connection is one that has closed: whoever reads it sees that.
  connection.on('error', () => {})
  connection.on('close', () => child.kill('SIGKILL'))
  return connection
}

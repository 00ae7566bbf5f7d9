/** A real etcd for tests: Debian's, with its data in a folder of its own. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { run } from '../../../base/exec.ts'

const PROGRAMS = ['/usr/bin/etcd', '/usr/local/bin/etcd']
const START_TIMEOUT_MS = 20_000
const INSTALL_TIMEOUT_MS = 300_000

/** Etcd's program, installed if that is possible; otherwise the reason why there is none. */
export async function findEtcd(signal: AbortSignal): Promise<{ program: string } | { missing: string }> {
  const found = (): string | undefined => PROGRAMS.find((path) => existsSync(path))
  const program = found()
  if (program) return { program }
  if (process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return { missing: 'etcd is not installed (apt-get install etcd-server)' }
  const options = { signal, env: { DEBIAN_FRONTEND: 'noninteractive', RUNLEVEL: '1' }, timeoutMs: INSTALL_TIMEOUT_MS }
  const install = (): Promise<unknown> => run('apt-get', ['install', '-q', '-y', '--no-install-recommends', 'etcd-server'], options)
  try {
    await install().catch(async () => {
      await run('apt-get', ['update', '-q'], options)
      await install()
    })
  } catch (error) {
    return { missing: `etcd-server could not be installed: ${(error as Error).message.split('\n')[0] ?? ''}` }
  }
  const installed = found()
  return installed ? { program: installed } : { missing: 'etcd-server was installed without /usr/bin/etcd' }
}

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

export interface EtcdServer {
  readonly endpoint: string
  start(): Promise<void>
  stop(signal?: NodeJS.Signals): Promise<void>
  /** Stops it and removes its data. */
  remove(): Promise<void>
}

export async function createEtcd(program: string, flags: readonly string[] = [], scheme: 'http' | 'https' = 'http'): Promise<EtcdServer> {
  const folder = mkdtempSync(join(tmpdir(), 'minicube-etcd-'))
  const [client, peer] = [await freePort(), await freePort()]
  const endpoint = `${scheme}://127.0.0.1:${client}`
  const args = [
    ...['--data-dir', folder, '--name', 'default', '--log-level', 'error'],
    ...['--listen-client-urls', endpoint, '--advertise-client-urls', endpoint],
    ...['--listen-peer-urls', `http://127.0.0.1:${peer}`, '--initial-advertise-peer-urls', `http://127.0.0.1:${peer}`],
    ...['--initial-cluster', `default=http://127.0.0.1:${peer}`],
    ...flags,
  ]
  let child: ChildProcess | undefined

  async function stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const running = child
    child = undefined
    if (!running || running.exitCode !== null || running.signalCode !== null) return
    const ended = once(running, 'exit')
    running.kill(signal)
    await ended
  }

  return {
    endpoint,
    stop,
    async start() {
      const started = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] })
      child = started
      let said = ''
      started.stderr?.setEncoding('utf8').on('data', (text: string) => (said = (said + text).slice(-2_000)))
      const deadline = Date.now() + START_TIMEOUT_MS
      while (!(await listens(client))) {
        if (started.exitCode !== null || Date.now() > deadline) throw new Error(`etcd did not start: ${said}`)
        await new Promise((resolve) => setTimeout(resolve, 20))
      }
    },
    async remove() {
      await stop('SIGKILL')
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

async function listens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1')
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false))
    socket.once('connect', () => socket.destroy())
  })
}

/**
 * The control plane alone, in the foreground and without a container engine: API server, store and the named controllers.
 * For tests of operators, for benchmarks, and for work on the control plane itself.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../base/clock.ts'
import { Supervisor } from '../base/component.ts'
import { createLogger, type LogLevel } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { selectControllers, UnknownControllerError } from '../controllers/registry.ts'
import { createInformers } from '../client/sharedInformer.ts'
import { createMemoryStore } from '../storage/memory/memoryStore.ts'
import { openSqliteStore } from '../storage/sqlite/sqliteStore.ts'
import { adminKubeconfig } from './adminKubeconfig.ts'
import { assembleApiServer, componentUser } from './apiServer.ts'
import { controllerComponent } from './controllers.ts'
import { kubeControllers } from './kubeControllers.ts'
import { ensurePki } from './pki.ts'

const USAGE = `Usage: minicube control-plane [flags]

  --listen <address:port>              where to serve (default 127.0.0.1:6443)
  --data <folder>|memory               where the objects are kept (default memory)
  --kubeconfig <file>                  an administrator's kubeconfig is written there
  --controllers <names>                upstream's controller names, separated by commas; * is all (default *)
  --service-cluster-ip-range <cidr>    addresses of services (default 10.96.0.0/16)
  --log-level debug|info|warn|error    (default warn)
`

interface Settings {
  host: string
  port: number
  data: string
  kubeconfig?: string
  controllers: string[]
  serviceClusterIpRange: string
  logLevel: LogLevel
}

class UsageError extends Error {}

function parseSettings(args: string[]): Settings {
  const { values } = parseArgs({
    args,
    options: {
      listen: { type: 'string', default: '127.0.0.1:6443' },
      data: { type: 'string', default: 'memory' },
      kubeconfig: { type: 'string' },
      controllers: { type: 'string', default: '*' },
      'service-cluster-ip-range': { type: 'string', default: '10.96.0.0/16' },
      'log-level': { type: 'string', default: 'warn' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) throw new UsageError('')
  const [, host, port] = /^(?:\[?([^\]]*)\]?):(\d{1,5})$/.exec(values.listen) ?? []
  if (host === undefined || Number(port) > 65_535) throw new UsageError(`--listen must be address:port, not ${values.listen}`)
  if (!['debug', 'info', 'warn', 'error'].includes(values['log-level'])) throw new UsageError(`--log-level must be debug, info, warn or error`)
  return {
    host: host || '0.0.0.0',
    port: Number(port),
    data: values.data,
    ...(values.kubeconfig && { kubeconfig: resolve(values.kubeconfig) }),
    controllers: values.controllers.split(',').map((name) => name.trim()).filter(Boolean),
    serviceClusterIpRange: values['service-cluster-ip-range'],
    logLevel: values['log-level'] as LogLevel,
  }
}

async function run(settings: Settings, signal: AbortSignal): Promise<void> {
  const log = createLogger({ level: settings.logLevel, write: (line) => process.stderr.write(line) })
  const inMemory = settings.data === 'memory'
  const folder = inMemory ? mkdtempSync(join(tmpdir(), 'minicube-control-plane-')) : resolve(settings.data)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  try {
    const pki = await ensurePki({
      dir: join(folder, 'pki'),
      nodeName: 'control-plane',
      apiServerNames: ['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', '127.0.0.1', '::1', ...(settings.host === '0.0.0.0' ? [] : [settings.host])],
      nodeNames: ['control-plane'],
      nowMs: Date.now(),
    })
    const store = inMemory ? createMemoryStore() : openSqliteStore({ path: join(folder, 'state.db'), clock: systemClock, log })
    const server = await assembleApiServer({
      store,
      pki,
      serviceClusterIpRange: settings.serviceClusterIpRange,
      advertiseAddress: settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host,
      clusterDomain: 'cluster.local',
      log,
      clock: systemClock,
    })
    const serving = new AbortController()
    const { port, done } = await server.listen({ host: settings.host, port: settings.port, signal: serving.signal })
    const url = `https://${settings.host === '0.0.0.0' ? '127.0.0.1' : settings.host}:${port}`
    const supervisor = new Supervisor({ log, clock: systemClock })
    const client = new Client(server.directTransport(componentUser('system:kube-controller-manager'), 'kube-controller-manager'))
    const informers = createInformers({ client, signal: serving.signal, log, clock: systemClock })
    const factories = kubeControllers({ pki, podCidr: '10.244.0.0/16' })
    const controllers = selectControllers(factories.keys(), settings.controllers)
    await supervisor.start(controllerComponent({ name: 'kube-controller-manager', factories, controllers, client, informers }))
    if (settings.kubeconfig) {
      writeFileSync(settings.kubeconfig, adminKubeconfig('minicube', url, pki), { mode: 0o600 })
      chmodSync(settings.kubeconfig, 0o600)
    }
    process.stdout.write(`ready: ${url} after ${Math.round(performance.now())} ms\n`)
    await new Promise<void>((stop) => signal.addEventListener('abort', () => stop(), { once: true }))
    await supervisor.stop()
    serving.abort()
    await done
    await store.close()
  } finally {
    if (inMemory) rmSync(folder, { recursive: true, force: true })
  }
}

const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => (abort.signal.aborted ? process.exit(130) : abort.abort()))
try {
  await run(parseSettings(process.argv.slice(2)), abort.signal)
  process.exit(0)
} catch (error) {
  const usage = error instanceof UsageError || error instanceof UnknownControllerError || (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  if (usage) process.stderr.write(`${error.message}${error.message ? '\n\n' : ''}${USAGE}`)
  else process.stderr.write(`The control plane cannot run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(usage ? 14 : 1)
}

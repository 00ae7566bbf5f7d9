/**
 * The control plane alone, in the foreground and without a container engine: API server, store and the named controllers.
 * For tests of operators, for benchmarks, and for work on the control plane itself.
 */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { aborted, orAbort } from '../base/abort.ts'
import { systemClock } from '../base/clock.ts'
import { Supervisor } from '../base/component.ts'
import { createLogger, type Logger, type LogLevel } from '../base/logger.ts'
import { selectControllers, UnknownControllerError } from '../controllers/registry.ts'
import { createMemoryStore } from '../storage/memory/memoryStore.ts'
import { openSqliteStore } from '../storage/sqlite/sqliteStore.ts'
import { adminKubeconfig } from './adminKubeconfig.ts'
import { assembleApiServer, componentUser } from './apiServer.ts'
import { access } from './controlComponents.ts'
import { controllerComponent } from './controllers.ts'
import { kubeControllers } from './kubeControllers.ts'
import { ensurePki } from './pki.ts'

/** minikube's code for a wrong command line. */
const USAGE_EXIT_CODE = 14
/** Nobody gives these addresses to pods here: they only make nodes' parts of the range look as they do in a cluster. */
const POD_CIDR = '10.244.0.0/16'

const USAGE = `Usage: minicube control-plane [flags]

  --listen <address:port>              where to serve (default 127.0.0.1:6443)
  --data <folder>|memory               where the objects are kept (default memory)
  --kubeconfig <file>                  an administrator's kubeconfig is written there
  --controllers <names>                upstream's controller names, separated by commas; * is all (default *)
  --service-cluster-ip-range <cidr>    addresses of services (default 10.96.0.0/16)
  --descriptions <file>                what kubectl explain says of kinds and fields
  --log-level debug|info|warn|error    (default warn)
`

interface Settings {
  host: string
  port: number
  data: string
  kubeconfig?: string
  controllers: string[]
  serviceClusterIpRange: string
  descriptionsFile?: string
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
      descriptions: { type: 'string' },
      'log-level': { type: 'string', default: 'warn' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) {
    process.stdout.write(USAGE)
    process.exit(0)
  }
  const [, host, port] = /^(?:\[?([^\]]*)\]?):(\d{1,5})$/.exec(values.listen) ?? []
  if (host === undefined || Number(port) > 65_535) throw new UsageError(`--listen must be address:port, not ${values.listen}`)
  if (!['debug', 'info', 'warn', 'error'].includes(values['log-level']))
    throw new UsageError(`--log-level must be debug, info, warn or error`)
  return {
    host: host || '0.0.0.0',
    port: Number(port),
    data: values.data,
    ...(values.kubeconfig && { kubeconfig: resolve(values.kubeconfig) }),
    controllers: values.controllers
      .split(',')
      .map((name) => name.trim())
      .filter(Boolean),
    serviceClusterIpRange: values['service-cluster-ip-range'],
    ...(values.descriptions && { descriptionsFile: resolve(values.descriptions) }),
    logLevel: values['log-level'] as LogLevel,
  }
}

/** Where clients reach the server: not at the address that stands for all. */
const reachable = (host: string): string => (host === '0.0.0.0' ? '127.0.0.1' : host)

/** What is opened here is closed by `cleanup`: the store after the server that writes to it. */
async function startApiServer(settings: Settings, log: Logger, cleanup: AsyncDisposableStack) {
  const { host, data, serviceClusterIpRange } = settings
  const inMemory = data === 'memory'
  const folder = inMemory ? mkdtempSync(join(tmpdir(), 'minicube-control-plane-')) : resolve(data)
  if (inMemory) cleanup.defer(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const pki = await ensurePki({
    dir: join(folder, 'pki'),
    nodeName: 'control-plane',
    apiServerNames: [
      ...new Set(['localhost', 'kubernetes', 'kubernetes.default', 'kubernetes.default.svc', '127.0.0.1', '::1', reachable(host)]),
    ],
    nodeNames: ['control-plane'],
    nowMs: Date.now(),
  })
  const store = inMemory ? createMemoryStore() : openSqliteStore({ path: join(folder, 'state.db'), clock: systemClock, log })
  cleanup.defer(() => store.close())
  const server = await assembleApiServer({
    store,
    pki,
    serviceClusterIpRange,
    advertiseAddress: reachable(host),
    clusterDomain: 'cluster.local',
    ...(settings.descriptionsFile && { descriptionsFile: settings.descriptionsFile }),
    log,
    clock: systemClock,
  })
  const serving = new AbortController()
  const { port, done } = await server.listen({ host, port: settings.port, signal: serving.signal })
  cleanup.defer(async () => {
    serving.abort()
    await done
  })
  return { server, pki, url: `https://${reachable(host)}:${port}` }
}

async function start(settings: Settings, cleanup: AsyncDisposableStack, signal: AbortSignal): Promise<void> {
  const log = createLogger({ level: settings.logLevel, write: (line) => process.stderr.write(line) })
  const { server, pki, url } = await startApiServer(settings, log, cleanup)
  const informing = new AbortController()
  cleanup.defer(() => informing.abort())
  const user = componentUser('system:kube-controller-manager')
  const { client, informers } = access(server, user, 'kube-controller-manager', { log, signal: informing.signal })
  const factories = kubeControllers({ pki, podCidr: POD_CIDR })
  const controllers = selectControllers(factories.keys(), settings.controllers)
  const supervisor = new Supervisor({ log, clock: systemClock })
  cleanup.defer(() => supervisor.stop())
  const manager = controllerComponent({ name: 'kube-controller-manager', factories, controllers, client, informers })
  await orAbort(supervisor.start(manager), signal)
  if (settings.kubeconfig) {
    writeFileSync(settings.kubeconfig, adminKubeconfig('minicube', url, pki), { mode: 0o600 })
    // A file that was there before keeps its mode otherwise.
    chmodSync(settings.kubeconfig, 0o600)
  }
  process.stdout.write(`ready: ${url} after ${Math.round(performance.now())} ms\n`)
}

/** Runs until the signal aborts. Whatever it has started by then is ended in reverse order. */
async function run(settings: Settings, signal: AbortSignal): Promise<void> {
  const cleanup = new AsyncDisposableStack()
  try {
    await start(settings, cleanup, signal)
    await aborted(signal)
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await cleanup.disposeAsync()
  }
}

const abort = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) process.on(name, () => (abort.signal.aborted ? process.exit(130) : abort.abort()))
try {
  await run(parseSettings(process.argv.slice(2)), abort.signal)
  process.exit(0)
} catch (error) {
  const usage =
    error instanceof UsageError ||
    error instanceof UnknownControllerError ||
    (error instanceof TypeError && 'code' in error && String(error.code).startsWith('ERR_PARSE_ARGS'))
  if (usage) process.stderr.write(`${error.message}${error.message ? '\n\n' : ''}${USAGE}`)
  else process.stderr.write(`The control plane cannot run: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
  process.exit(usage ? USAGE_EXIT_CODE : 1)
}

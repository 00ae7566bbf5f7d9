/** The engine is found, or started. */
import { type EngineInfo, engineInfo, findOrStartEngine, openEngine } from '../engine/engine.ts'
import { checkPublished } from '../ports.ts'
import { UserError } from '../userError.ts'
import type { StartClusterOptions, StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

export const engineStep: Step<StartContext> = {
  name: 'engine',
  message: 'Finding the container engine',
  async run(context, { signal }) {
    const { options, before, reporter } = context
    const address = await findOrStartEngine({
      ...(before && { host: before.engineHost }),
      installAllowed: options.installAllowed ?? true,
      onNotice: reporter.onNotice,
      signal,
      env: context.env,
    })
    const [engine, info] = await Promise.all([openEngine(address), engineInfo(address, signal)])
    reporter.onDetail(
      `engine: ${address.source} at ${address.host}: ${info.operatingSystem}, version ${info.serverVersion}, ${info.architecture}, cgroup v${info.cgroupVersion}`,
    )
    checkEngine(info, options)
    // A running node holds its ports itself.
    if (info.local && !context.stateBefore?.running) await checkPublished(options.publish ?? before?.publish ?? [])
    Object.assign(context, { engine, info })
  },
}

/** Docker 20.10: containers with a cgroup namespace of their own. */
const MIN_API_VERSION = '1.41'

function checkEngine(info: EngineInfo, options: StartClusterOptions): void {
  if (info.apiVersion.localeCompare(MIN_API_VERSION, 'en', { numeric: true }) < 0) {
    throw new UserError({
      area: 'DRIVER',
      sort: 'UNSUPPORTED',
      message: `this engine is too old: it is version ${info.serverVersion} with API ${info.apiVersion}, and a node needs API ${MIN_API_VERSION}`,
      hint: 'Update it to Docker 20.10 or newer, or use another: DOCKER_HOST=unix:///… minicube start',
    })
  }
  if (info.rootless) {
    throw new UserError({
      area: 'DRIVER',
      sort: 'UNSUPPORTED',
      message:
        'this engine runs rootless, and a node needs rights that a rootless engine cannot give (cgroups of its own, mounts, nftables)',
      hint: 'Use an engine that runs as root: docker context use default, or DOCKER_HOST=unix:///var/run/docker.sock',
    })
  }
  if (options.cpus !== undefined && options.cpus > info.cpus) {
    throw new UserError({
      area: 'RESOURCE',
      sort: 'UNAVAILABLE',
      id: 'RSRC_INSUFFICIENT_CORES',
      message: `--cpus ${options.cpus} is more than the ${info.cpus} of the engine`,
      hint: `At most: --cpus ${info.cpus}`,
    })
  }
  if (options.memoryBytes !== undefined && options.memoryBytes > info.memoryBytes) {
    const available = Math.floor(info.memoryBytes / 2 ** 20)
    throw new UserError({
      area: 'RESOURCE',
      sort: 'NOT_RUNNING',
      id: 'RSRC_INSUFFICIENT_CONTAINER_MEMORY',
      message: `--memory asks for more than the engine's ${available} MiB`,
      hint: `At most: --memory ${available}m`,
    })
  }
}

/** The steps of `minicube start`, each with its way back. What was there before the command is never undone, only stopped again. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { parseExtraConfig } from '../api/componentOptions.ts'
import { withFileContents } from './extraConfigFiles.ts'
import { isApiReady } from './apiServer.ts'
import { BOOT_PHASES, type BootLog, type BootPhase, followBoot, PHASE_MESSAGES } from './bootLog.ts'
import { kubeconfigEntry, readCredentials, writeCredentials } from './credentials.ts'
import { engineGet, EngineHttpError } from './engine/address.ts'
import { type Engine, type EngineInfo, engineInfo, findOrStartEngine, openEngine } from './engine/engine.ts'
import { fetchCredentials } from './fetchCredentials.ts'
import { withFileLock } from './fileLock.ts'
import { mergeKubeconfig, removeFromKubeconfig } from './kubeconfig/file.ts'
import { volumeName } from './names.ts'
import { chooseNodeIP, ensureNetwork, type IpFamilies, ipFamiliesOf, otherNodeIPs, removeNetwork } from './network.ts'
import {
  checkOwned,
  containerSpec,
  explainStartError,
  inspectNode,
  lacksCapability,
  likelyMode,
  nodeContainer,
  STOP_TIMEOUT_S,
} from './nodeContainer.ts'
import { ensureNamedImage, ensureNodeImage, kubernetesVersionOf } from './nodeImage/nodeImage.ts'
import { checkPublished, chooseApiPort } from './ports.ts'
import { type ContainerMode, listProfiles, type ProfileConfig, removeProfile, writeProfile } from './profile.ts'
import { removeNode } from './removeNode.ts'
import type { StartClusterOptions, StartContext } from './startContext.ts'
import type { Step, StepControl } from './steps.ts'
import { UserError } from './userError.ts'
import { ensureWorkers, listWorkers, removeWorkers } from './workers.ts'

type StartStep = Step<StartContext>

const RANGES = { serviceClusterIpRange: '10.96.0.0/16', podCidr: '10.244.0.0/16', clusterDns: '10.96.0.10', clusterDomain: 'cluster.local' }
/** Beside those: kind's. */
const IPV6_RANGES = { serviceClusterIpRange: 'fd00:10:96::/112', podCidr: 'fd00:10:244::/56' }
/** How often a node that was running already, but did not answer, is asked again. */
const REPAIR_CHECK_EVERY_MS = 250
const UNDO_TIMEOUT_MS = 15_000

export function startSteps({ wait, workers }: { wait: boolean; workers: boolean }): StartStep[] {
  const phases = wait ? BOOT_PHASES.slice(BOOT_PHASES.indexOf('api') + 1) : []
  const first = [
    engineStep,
    imageStep,
    planStep,
    createStep,
    bootStep,
    phaseStep('engine'),
    apiStep,
    kubeconfigStep,
    ...phases.map(phaseStep),
  ]
  return workers ? [...first, workersStep] : first
}

const engineStep: StartStep = {
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

function checkEngine(info: EngineInfo, options: StartClusterOptions): void {
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

const imageStep: StartStep = {
  name: 'image',
  message: 'Preparing the node image',
  async run(context, { signal, progress }) {
    const { options, before, reporter, info } = context
    const engine = context.requireEngine()
    const lock = {
      path: join(context.home, '.image.lock'),
      signal,
      onWait: () => reporter.onNotice('Waiting: another minicube is building the node image'),
    }
    const named = options.image ?? (before?.imagePinned ? before.image : undefined)
    context.image = named
      ? await ensureNamedImage(engine, named, progress, signal)
      : await withFileLock(lock, () =>
          ensureNodeImage({
            engine,
            architecture: (info as EngineInfo).architecture,
            installAllowed: options.installAllowed ?? true,
            onNotice: reporter.onNotice,
            onProgress: progress,
            signal,
          }),
        )
    reporter.onDetail(`node image: ${context.image}`)
  },
}

const planStep: StartStep = {
  name: 'plan',
  message: 'Choosing network and ports',
  async run(context, { signal }) {
    // Two starts at once must not choose the same port or address: each sees what the other wrote.
    const lock = { path: join(context.home, '.plan.lock'), signal }
    await withFileLock(lock, () => plan(context, signal))
  },
  async undo(context) {
    if (context.before) {
      await writeProfile(context.home, context.before)
      return
    }
    await removeProfile(context.home, context.options.profile)
    if (context.engine) await removeNetwork(context.engine)
  },
}

function rangesOf(ipFamily: IpFamilies): typeof RANGES {
  if (ipFamily === 'ipv4') return RANGES
  const both = (range: 'serviceClusterIpRange' | 'podCidr'): string => `${RANGES[range]},${IPV6_RANGES[range]}`
  return { ...RANGES, serviceClusterIpRange: both('serviceClusterIpRange'), podCidr: both('podCidr') }
}

async function plan(context: StartContext, signal: AbortSignal): Promise<void> {
  const { options, before, home } = context
  const engine = context.requireEngine()
  const info = context.info as EngineInfo
  const ipFamily = before ? ipFamiliesOf(before.network) : (options.ipFamily ?? 'ipv4')
  const network = await ensureNetwork(engine, info, ipFamily)
  const others = (await listProfiles(home)).valid.filter((profile) => profile.name !== options.profile)
  const sameNetwork = before?.network.subnet === network.subnet
  const taken = new Set([...others.map((profile) => profile.network.nodeIP), ...(await otherNodeIPs(engine, options.profile))])
  context.profile = {
    createdAt: new Date().toISOString(),
    containerMode: likelyMode(info),
    hostApiPort: before?.hostApiPort ?? (await chooseApiPort(new Set(others.map((profile) => profile.hostApiPort)))),
    publish: [],
    ...rangesOf(ipFamily),
    ...before,
    name: options.profile,
    kubernetesVersion: await kubernetesVersionOf(engine, context.image as string, signal),
    engineHost: engine.address.host,
    image: context.image as string,
    imagePinned: options.image !== undefined || (before?.imagePinned ?? false),
    network: { ...network, nodeIP: sameNetwork ? before.network.nodeIP : chooseNodeIP(network.subnet, taken) },
    ...(options.publish && { publish: options.publish }),
    ...(options.cpus && { cpus: options.cpus }),
    ...(options.nodes !== undefined && { nodes: options.nodes }),
    ...(options.fakeNodes !== undefined && { fakeNodes: options.fakeNodes }),
    ...(options.memoryBytes && { memoryBytes: options.memoryBytes }),
    ...(options.extraConfig && { extraConfig: withFileContents(parseExtraConfig(options.extraConfig)) }),
  }
  await writeProfile(home, context.profile)
}

/** What cannot be changed in a container that exists. */
function mustRecreate(before: ProfileConfig, now: ProfileConfig): boolean {
  const fixed = (profile: ProfileConfig): string => {
    const { image, publish, cpus, memoryBytes, fakeNodes, extraConfig, network, hostApiPort, containerMode } = profile
    return JSON.stringify([image, publish, cpus, memoryBytes, fakeNodes, extraConfig, network, hostApiPort, containerMode])
  }
  return fixed(before) !== fixed(now)
}

const createStep: StartStep = {
  name: 'create',
  message: 'Creating the node container',
  async run(context, { signal }) {
    const { before } = context
    const engine = context.requireEngine()
    const profile = context.requireProfile()
    context.volumeExisted = await volumeExists(engine, profile.name, signal)
    const existing = await inspectNode(engine.address, profile.name, signal)
    if (existing) {
      checkOwned(existing, profile.name)
      if (existing.running || (before && existing.image === profile.image && !mustRecreate(before, profile))) return
      // All that lasts is in the volume.
      await nodeContainer(engine, profile.name).remove({ force: true })
    }
    await create(context, profile.containerMode)
  },
  async undo(context) {
    if (!context.created || context.before) return
    await removeNode(context.requireEngine(), context.options.profile, { keepVolume: context.volumeExisted ?? false })
  },
}

async function volumeExists(engine: Engine, profile: string, signal: AbortSignal): Promise<boolean> {
  try {
    await engineGet(engine.address, `/volumes/${volumeName(profile)}`, signal)
    return true
  } catch (error) {
    if (error instanceof EngineHttpError && error.statusCode === 404) return false
    throw error
  }
}

async function create(context: StartContext, mode: ContainerMode): Promise<void> {
  const engine = context.requireEngine()
  const info = context.info as EngineInfo
  const profile = { ...context.requireProfile(), containerMode: mode }
  context.profile = profile
  context.created = true
  const kernelModules = !info.local || existsSync('/lib/modules')
  await engine.docker.createContainer(containerSpec({ profile, mode, engine: info, kernelModules, env: context.env }))
  context.reporter.onDetail(
    mode === 'privileged' ? 'node container: --privileged' : 'node container: every capability but SYS_RESOURCE, which this host lacks',
  )
}

const bootStep: StartStep = {
  name: 'start',
  message: 'Starting the node container',
  async run(context, { signal }) {
    const engine = context.requireEngine()
    const { name } = context.requireProfile()
    const container = nodeContainer(engine, name)
    if (context.stateBefore?.paused) await container.unpause()
    else if (!context.stateBefore?.running) await startContainer(context)
    const state = await inspectNode(engine.address, name, signal)
    if (!state)
      throw new UserError({
        area: 'GUEST',
        sort: 'NOT_FOUND',
        message: 'the node container disappeared while it was started',
        hint: 'Somebody removed it meanwhile. Start again: minicube start',
      })
    context.boot = await followBoot(container, state.startedAt)
    context.bootSignal = AbortSignal.timeout(context.timeoutMs)
  },
  async undo(context) {
    context.boot?.close()
    if (!context.before || context.stateBefore?.running) return
    await nodeContainer(context.requireEngine(), context.options.profile).stop({ t: STOP_TIMEOUT_S })
  },
}

async function startContainer(context: StartContext): Promise<void> {
  const engine = context.requireEngine()
  const profile = context.requireProfile()
  try {
    await nodeContainer(engine, profile.name).start()
  } catch (error) {
    // 304: the engine, started a moment ago, has started it again by itself.
    if (error instanceof Error && 'statusCode' in error && error.statusCode === 304) return
    if (profile.containerMode !== 'privileged' || !lacksCapability(error)) throw explainStartError(error, profile)
    context.reporter.onDetail('the engine refused a privileged container')
    await nodeContainer(engine, profile.name).remove({ force: true })
    await create(context, 'capabilities')
    await writeProfile(context.home, context.requireProfile())
    await nodeContainer(engine, profile.name)
      .start()
      .catch((second: unknown) => Promise.reject(explainStartError(second, profile)))
  }
}

async function waitFor(context: StartContext, phase: BootPhase, { signal }: StepControl): Promise<number> {
  const boot = context.boot as BootLog
  const timeout = context.bootSignal as AbortSignal
  try {
    return await boot.waitFor(phase, AbortSignal.any([signal, timeout]))
  } catch (error) {
    if (!timeout.aborted || signal.aborted || error instanceof UserError) throw error
    throw new UserError({
      area: 'GUEST',
      sort: 'TIMEOUT',
      message: `the cluster was not ready within ${context.timeoutMs / 1000} s: still waiting for ${PHASE_MESSAGES[phase]}`,
      hint: 'More time: --timeout 5m. What the node does: start with --retain, then minicube logs',
      cause: error,
    })
  }
}

function phaseStep(phase: BootPhase): StartStep {
  return {
    name: `wait-${phase}`,
    message: `Waiting for ${PHASE_MESSAGES[phase]}`,
    async run(context, control) {
      const elapsedMs = await waitFor(context, phase, control)
      context.reporter.onDetail(`${PHASE_MESSAGES[phase]}: ${elapsedMs} ms after the node process started`)
    },
  }
}

const apiStep: StartStep = {
  name: 'wait-api',
  message: `Waiting for ${PHASE_MESSAGES.api}`,
  async run(context, control) {
    await waitFor(context, 'api', control)
    const { name, hostApiPort } = context.requireProfile()
    const credentials = await fetchCredentials(nodeContainer(context.requireEngine(), name), hostApiPort)
    await writeCredentials(context.home, name, credentials)
    // The log of a node that was running already tells of its first boot; whether it works now it must say itself.
    while (context.stateBefore?.running && !(await isApiReady(credentials, control.signal))) {
      await setTimeout(REPAIR_CHECK_EVERY_MS, undefined, { signal: control.signal })
      if (context.bootSignal?.aborted)
        throw new UserError({
          area: 'K8S',
          sort: 'TIMEOUT',
          message: 'the node runs, but its API server does not answer',
          hint: `Restart it: minicube stop --profile ${name} && minicube start --profile ${name}`,
        })
    }
    context.credentialsEntry = kubeconfigEntry(name, credentials)
  },
}

const kubeconfigStep: StartStep = {
  name: 'kubeconfig',
  message: 'Writing the kubeconfig',
  async run(context, { signal }) {
    const entry = context.credentialsEntry
    if (!entry) throw new Error('the credentials are not known yet')
    await mergeKubeconfig(entry, { env: context.env, keepContext: context.options.keepContext ?? false, signal })
  },
  async undo(context) {
    // The command's own signal may be the reason why it is undone.
    if (!context.before)
      await removeFromKubeconfig(context.options.profile, { env: context.env, signal: AbortSignal.timeout(UNDO_TIMEOUT_MS) })
  },
}

const workersStep: StartStep = {
  name: 'workers',
  message: 'Adding the other nodes',
  async run(context, { signal, progress }) {
    const engine = context.requireEngine()
    const profile = context.requireProfile()
    context.hadWorkers = (await listWorkers(engine, profile.name)).length > 0
    const credentials = await readCredentials(context.home, profile.name)
    if (!credentials) throw new Error('the credentials are not known yet')
    const { env, info } = context
    await ensureWorkers({
      engine,
      info: info as EngineInfo,
      profile,
      credentials,
      env,
      onProgress: progress,
      signal: AbortSignal.any([signal, context.bootSignal ?? AbortSignal.timeout(context.timeoutMs)]),
    })
  },
  async undo(context) {
    if (!context.hadWorkers) await removeWorkers(context.requireEngine(), context.options.profile)
  },
}

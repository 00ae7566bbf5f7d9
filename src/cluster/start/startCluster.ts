/**
 * `minicube start`: from nothing, from a stopped cluster, or from a running one (which it leaves alone) to a cluster that can
 * be used. The work is a list of steps; this file decides which, `startSteps.ts` says how each is done and undone.
 */
import { isDeepStrictEqual } from 'node:util'
import { ExtraConfigError, parseExtraConfig } from '../../api/componentOptions.ts'
import { systemClock } from '../../base/clock.ts'
import { isApiReady } from '../apiServer.ts'
import { kubeconfigEntry, readCredentials } from '../credentials.ts'
import { addressOf } from '../engine/engine.ts'
import { ipFamiliesOf } from '../network.ts'
import { withFileLock } from '../fileLock.ts'
import { makePrivateDirectory, minicubeHome, profilePaths, profilesDirectory } from '../home.ts'
import { checkKubeconfig, kubeconfigPath, lookUpKubeconfig, mergeKubeconfig } from '../kubeconfig/file.ts'
import { checkProfileName, checkWorkerNames } from '../names.ts'
import { checkOwned, inspectNode, type NodeState } from '../nodeContainer.ts'
import { parsePublish } from '../ports.ts'
import { type ProfileConfig, readProfile, setActiveProfile } from '../profile.ts'
import type { StartClusterOptions, StartContext } from './startContext.ts'
import { runSteps } from './steps.ts'
import { usageError, UserError } from '../userError.ts'

/** Each is a container with an engine of its own. */
const NODES_MAX = 10
/** What src/node takes (src/fakenodes has addresses for as many). */
const FAKE_NODES_MAX = 5_000

export interface StartResult {
  profile: ProfileConfig
  /** False when the cluster was running already. */
  changed: boolean
  kubeconfig: string
}

const DEFAULT_TIMEOUT_MS = 120_000
const MIN_MEMORY_BYTES = 256 * 2 ** 20

export async function startCluster(options: StartClusterOptions): Promise<StartResult> {
  const { profile: name, signal, reporter, env = process.env } = options
  check(options)
  const home = minicubeHome(env)
  await makePrivateDirectory(profilesDirectory(home))
  const onWait = (): void => reporter.onNotice(`Waiting: another minicube is working on profile "${name}"`)
  return withFileLock({ path: profilePaths(home, name).lock, signal, onWait }, async () => {
    const profile = await readProfile(home, name)
    const state = profile && (await inspectNode(await addressOf(profile.engineHost, env), name, signal).catch(() => undefined))
    if (state) checkOwned(state, name, home)
    checkIpFamily(options, profile)
    const isComplete = options.nodes === undefined || options.nodes === (profile?.nodes ?? 1)
    checkWorkerNames(name, options.nodes ?? 1)
    if (options.nodes !== undefined) checkNodeCount(options.nodes, profile)
    if (profile && isComplete && state?.running && !state.paused && (await isUsable(home, profile, signal)))
      return alreadyRunning(home, profile, options, env)
    const context = await runStart(home, profile, state, options, env)
    if (!profile) await setActiveProfile(home, name)
    return { profile: context.requireProfile(), changed: true, kubeconfig: await kubeconfigPath({ env }) }
  })
}

function checkExtraConfig(entries: readonly string[] = []): void {
  try {
    parseExtraConfig(entries)
  } catch (error) {
    if (error instanceof ExtraConfigError) throw usageError(`--extra-config: ${error.message}`, error.hint)
    throw error
  }
}

function check(options: StartClusterOptions): void {
  checkProfileName(options.profile)
  options.publish?.forEach(parsePublish)
  checkExtraConfig(options.extraConfig)
  if (
    options.fakeNodes !== undefined &&
    !(Number.isInteger(options.fakeNodes) && options.fakeNodes >= 0 && options.fakeNodes <= FAKE_NODES_MAX)
  )
    throw usageError(`--fake-nodes must be a number from 0 to ${FAKE_NODES_MAX}, not ${options.fakeNodes}`, 'For example: --fake-nodes 100')
  if (options.nodes !== undefined && !(Number.isInteger(options.nodes) && options.nodes >= 1 && options.nodes <= NODES_MAX))
    throw usageError(`--nodes must be a number from 1 to ${NODES_MAX}, not ${options.nodes}`, 'For example: --nodes 2')
  if (options.cpus !== undefined && !(options.cpus > 0))
    throw usageError(`--cpus must be a number above 0, not ${options.cpus}`, 'For example: --cpus 2')
  if (options.memoryBytes !== undefined && options.memoryBytes < MIN_MEMORY_BYTES) {
    throw new UserError({
      area: 'RESOURCE',
      sort: 'NOT_RUNNING',
      id: 'RSRC_INSUFFICIENT_REQ_MEMORY',
      message: 'a cluster needs at least 256 MiB of memory',
      hint: 'For example: --memory 2g',
    })
  }
}

/** Every object with an address has been written for what the cluster began with. */
function checkIpFamily({ ipFamily, profile: name }: StartClusterOptions, profile: ProfileConfig | undefined): void {
  if (!profile || ipFamily === undefined || ipFamily === ipFamiliesOf(profile.network)) return
  throw new UserError({
    area: 'GUEST',
    sort: 'CONFLICT',
    message: `the cluster "${name}" was made with --ip-family ${ipFamiliesOf(profile.network)}, which cannot be changed`,
    hint: `Delete it and start it again: minicube delete --profile ${name}`,
  })
}

async function isUsable(home: string, profile: ProfileConfig, signal: AbortSignal): Promise<boolean> {
  const credentials = await readCredentials(home, profile.name)
  return credentials !== undefined && isApiReady(credentials, signal)
}

/** The flags that ask for what a running cluster is not; they are in force once it starts anew. */
export function flagsForNextStart(options: StartClusterOptions, profile: ProfileConfig): string[] {
  const { cpus, memoryBytes, publish, fakeNodes, extraConfig, image } = options
  const asked: [flag: string, wanted: unknown, now: unknown][] = [
    ['--cpus', cpus, profile.cpus],
    ['--memory', memoryBytes, profile.memoryBytes],
    ['--publish', publish, profile.publish],
    ['--fake-nodes', fakeNodes, profile.fakeNodes ?? 0],
    ['--extra-config', extraConfig && parseExtraConfig(extraConfig), profile.extraConfig ?? {}],
    ['--image', image, profile.image],
  ]
  return asked.filter(([, wanted, now]) => wanted !== undefined && !isDeepStrictEqual(wanted, now)).map(([flag]) => flag)
}

/** Nothing changes but a kubeconfig that has lost its entry. */
async function alreadyRunning(
  home: string,
  profile: ProfileConfig,
  options: StartClusterOptions,
  env: NodeJS.ProcessEnv,
): Promise<StartResult> {
  const waiting = flagsForNextStart(options, profile)
  if (waiting.length > 0) {
    const stop = `minicube stop --profile ${profile.name}`
    options.reporter.onNotice(`A running cluster stays as it is. For ${waiting.join(', ')}: ${stop}, then start it with them again`)
  }
  const credentials = await readCredentials(home, profile.name)
  const entry = await lookUpKubeconfig(profile.name, { env })
  if (credentials && (entry?.server !== credentials.server || (!entry.isCurrent && !options.keepContext))) {
    const keepContext = options.keepContext ?? false
    await mergeKubeconfig(kubeconfigEntry(profile.name, credentials), { env, keepContext, signal: options.signal })
  }
  return { profile, changed: false, kubeconfig: await kubeconfigPath({ env }) }
}

async function runStart(
  home: string,
  profile: ProfileConfig | undefined,
  state: NodeState | undefined,
  options: StartClusterOptions,
  env: NodeJS.ProcessEnv,
): Promise<StartContext> {
  const { signal, reporter, timeoutMs = DEFAULT_TIMEOUT_MS, retain = false } = options
  await checkKubeconfig({ env })
  const context: StartContext = {
    home,
    env,
    options,
    before: profile,
    stateBefore: profile && state,
    reporter,
    timeoutMs,
    requireProfile() {
      if (!context.profile) throw new Error('the profile is not planned yet')
      return context.profile
    },
    requireEngine() {
      if (!context.engine) throw new Error('the engine is not known yet')
      return context.engine
    },
  }
  // Loaded only when there is something to do: it brings the image builder and more.
  const { startSteps } = await import('./startSteps.ts')
  try {
    await runSteps(startSteps({ wait: options.wait ?? true, workers: (options.nodes ?? profile?.nodes ?? 1) > 1 }), context, {
      reporter,
      signal,
      clock: systemClock,
      retain,
    })
    return context
  } finally {
    context.boot?.close()
  }
}

/** Nodes are not taken away by a smaller number. */
function checkNodeCount(wanted: number, before: ProfileConfig | undefined): void {
  const had = before?.nodes ?? 1
  if (wanted >= had) return
  throw usageError(
    `--nodes ${wanted} is fewer than the ${had} nodes that "${before?.name}" has`,
    `Make the cluster anew: minicube delete --profile ${before?.name}, then start it with --nodes ${wanted}`,
  )
}

/**
 * The scheduler's configuration file (kubescheduler.config.k8s.io/v1, KubeSchedulerConfiguration): profiles with their plugins
 * and the plugins' arguments, extenders, and the queue's times. What is left out has upstream's defaults, what may not be is told
 * in upstream's words.
 */
import { parseYaml } from '../../api/codec/yaml.ts'
import { deepEqual } from '../../api/meta.ts'
import { ConfigurationError, EXTENSION_POINTS, pluginNames, type PluginEntry, type PluginSets } from '../pluginPoints.ts'
import { readExtenders, type ExtenderConfiguration } from './extenders.ts'
import { readArgs, type PluginArgs } from './pluginArgs.ts'
import { Findings, isObject, Reader } from './reader.ts'

const API_VERSION = 'kubescheduler.config.k8s.io/v1'
const DEFAULT_SCHEDULER = 'default-scheduler'

export interface ProfileConfiguration {
  schedulerName: string
  percentageOfNodesToScore?: number
  plugins: PluginSets
  args: PluginArgs
}

export interface SchedulerConfiguration {
  profiles: readonly ProfileConfiguration[]
  extenders: readonly ExtenderConfiguration[]
  /** 0 adapts to the number of nodes. */
  percentageOfNodesToScore: number
  podInitialBackoffMs: number
  podMaxBackoffMs: number
  leaderElection: LeaderElectionConfiguration
}

export interface LeaderElectionConfiguration {
  /** Undefined where the file says nothing of it. */
  leaderElect?: boolean
  leaseDurationMs: number
  renewDeadlineMs: number
  retryPeriodMs: number
  lease: { namespace: string; name: string }
}

const entry = (item: Reader): PluginEntry => {
  const name = item.string('name')
  return item.has('weight') ? { name, weight: item.integer('weight', 0) } : { name }
}

function readPlugins(reader: Reader): PluginSets {
  const sets: PluginSets = {}
  for (const point of [...EXTENSION_POINTS, 'multiPoint'] as const) {
    if (!reader.has(point)) continue
    const set = reader.object(point, 'PluginSet')
    sets[point] = { enabled: set.list('enabled', 'v1.Plugin', entry), disabled: set.list('disabled', 'v1.Plugin', entry) }
    set.end()
  }
  reader.end()
  return sets
}

/** A profile, and what would keep it from being made. */
interface Drafted {
  profile: ProfileConfiguration
  problem?: string
}

function readProfile(reader: Reader, isOnlyOne: boolean): Drafted {
  const schedulerName = reader.string('schedulerName') || (isOnlyOne ? DEFAULT_SCHEDULER : '')
  if (!schedulerName) reader.required('schedulerName')
  const percentage = reader.within('percentageOfNodesToScore', 0, 0, 100, '[0-100]')
  const plugins = readPlugins(reader.object('plugins', 'Plugins'))
  const { args, problem } = readArgs(reader)
  return {
    profile: { schedulerName, ...(reader.has('percentageOfNodesToScore') && { percentageOfNodesToScore: percentage }), plugins, args },
    ...(problem !== undefined && { problem }),
  }
}

function readProfiles(file: Reader): Drafted[] {
  const listed = file.raw('profiles')
  if (listed === undefined || (Array.isArray(listed) && listed.length === 0))
    return [readProfile(new Reader({}, '', 'KubeSchedulerProfile', file.findings), true)]
  const seen = new Set<string>()
  const profiles = file.list('profiles', 'v1.KubeSchedulerProfile', (item) => {
    const drafted = readProfile(item, Array.isArray(listed) && listed.length === 1)
    const { schedulerName } = drafted.profile
    if (schedulerName && seen.has(schedulerName)) file.findings.invalid.push(`${item.at('schedulerName')}: Duplicate value: {}`)
    seen.add(schedulerName)
    return drafted
  })
  const [first] = profiles
  for (const [i, { profile }] of profiles.entries())
    if (!deepEqual(profile.plugins.queueSort, first?.profile.plugins.queueSort)) {
      const { enabled = [], disabled = [] } = profile.plugins.queueSort ?? {}
      const go = (list: readonly PluginEntry[]): unknown =>
        list.length > 0 ? list.map(({ name, weight = 0 }) => ({ Name: name, Weight: weight })) : null
      const value = JSON.stringify({ Enabled: go(enabled), Disabled: go(disabled) })
      file.findings.invalid.push(`profiles[${i}].plugins.queueSort: Invalid value: ${value}: must be the same for all profiles`)
    }
  return profiles
}

/** What only shows when plugins are put together. @throws ConfigurationError */
function checkProfiles(profiles: readonly Drafted[]): void {
  for (const { profile, problem } of profiles) {
    const { schedulerName, plugins } = profile
    const prefix = `initializing profiles: creating profile for scheduler name ${schedulerName}: `
    try {
      pluginNames(plugins, schedulerName)
    } catch (error) {
      if (!(error instanceof ConfigurationError)) throw error
      throw new ConfigurationError(prefix + error.message, { cause: error })
    }
    if (problem !== undefined) throw new ConfigurationError(prefix + problem)
  }
}

function readLeaderElection(reader: Reader): LeaderElectionConfiguration {
  const times = {
    leaseDuration: reader.durationMs('leaseDuration', 15_000),
    renewDeadline: reader.durationMs('renewDeadline', 10_000),
    retryPeriod: reader.durationMs('retryPeriod', 2_000),
  }
  const { leaseDuration: leaseDurationMs, renewDeadline: renewDeadlineMs, retryPeriod: retryPeriodMs } = times
  const lock = reader.string('resourceLock', 'leases')
  const leaderElect = reader.boolean('leaderElect')
  const election: LeaderElectionConfiguration = {
    ...(reader.has('leaderElect') && { leaderElect }),
    leaseDurationMs,
    renewDeadlineMs,
    retryPeriodMs,
    lease: { namespace: reader.string('resourceNamespace', 'kube-system'), name: reader.string('resourceName', 'kube-scheduler') },
  }
  reader.end()
  if (election.leaderElect === false) return election
  for (const [key, durationMs] of Object.entries(times))
    if (durationMs <= 0) reader.invalid(key, `${durationMs / 1_000}s`, 'must be greater than zero')
  if (leaseDurationMs <= renewDeadlineMs)
    reader.invalid('leaseDuration', `${leaseDurationMs / 1_000}s`, 'LeaseDuration must be greater than RenewDeadline')
  if (renewDeadlineMs <= retryPeriodMs)
    reader.invalid('renewDeadline', `${renewDeadlineMs / 1_000}s`, 'RenewDeadline must be greater than RetryPeriod')
  if (lock !== 'leases') reader.invalid('resourceLock', lock, 'resourceLock value must be "leases"')
  return election
}

/** Of the file's kind and version. @throws ConfigurationError */
function parsed(text: string): unknown {
  const { value } = parseYaml(text)
  const { apiVersion, kind } = isObject(value) ? value : {}
  if (!kind) throw new ConfigurationError(`Object 'Kind' is missing in '${JSON.stringify(value)}'`)
  if (!apiVersion) throw new ConfigurationError(`Object 'apiVersion' is missing in '${JSON.stringify(value)}'`)
  if (apiVersion !== API_VERSION || kind !== 'KubeSchedulerConfiguration')
    throw new ConfigurationError(
      `no kind "${String(kind)}" is registered for version "${String(apiVersion)}" in scheme "pkg/scheduler/apis/config/scheme/scheme.go:29"`,
    )
  return value
}

/** What a file says, or upstream's defaults without one. @throws ConfigurationError */
export function readSchedulerConfiguration(text?: string): SchedulerConfiguration {
  const findings = new Findings()
  const file = new Reader(text === undefined ? {} : parsed(text), '', 'KubeSchedulerConfiguration', findings)
  // How upstream's binary talks to its server and is debugged has no meaning here.
  for (const key of ['clientConnection', 'enableProfiling', 'enableContentionProfiling', 'delayCacheUntilActive']) file.raw(key)
  const leaderElection = readLeaderElection(file.object('leaderElection', 'LeaderElectionConfiguration'))
  const parallelism = file.integer('parallelism', 16)
  if (parallelism <= 0) file.invalid('parallelism', parallelism, 'should be an integer value greater than zero')
  const profiles = readProfiles(file)
  const percentageOfNodesToScore = file.within('percentageOfNodesToScore', 0, 0, 100, '[0-100]')
  const [initial, max] = [file.integer('podInitialBackoffSeconds', 1), file.integer('podMaxBackoffSeconds', 10)]
  if (initial <= 0) file.invalid('podInitialBackoffSeconds', initial, 'must be greater than 0')
  if (max < initial) file.invalid('podMaxBackoffSeconds', max, 'must be greater than or equal to PodInitialBackoffSeconds')
  const extenders = readExtenders(file)
  file.end()
  findings.check()
  checkProfiles(profiles)
  return {
    profiles: profiles.map(({ profile }) => profile),
    extenders,
    percentageOfNodesToScore,
    podInitialBackoffMs: initial * 1_000,
    podMaxBackoffMs: max * 1_000,
    leaderElection,
  }
}

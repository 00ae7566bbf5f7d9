/**
 * The scheduler's configuration file (kubescheduler.config.k8s.io/v1, KubeSchedulerConfiguration): profiles with their plugins
 * and the plugins' arguments, extenders, and the queue's times. What is left out has upstream's defaults.
 */
import { parseYaml } from '../api/codec/yaml.ts'
import type { NodeAffinity } from '../api/kinds/core/v1.ts'
import type { ScoringStrategy, WeightedResource } from './plugins/allocationScores.ts'
import { DEFAULT_RESOURCES } from './plugins/allocationScores.ts'
import { SYSTEM_DEFAULTS, type DefaultConstraint } from './plugins/topologySpread.ts'

const API_VERSION = 'kubescheduler.config.k8s.io/v1'
const DEFAULT_SCHEDULER = 'default-scheduler'

export interface PluginEntry {
  name: string
  weight?: number
}

export interface PluginSet {
  enabled?: readonly PluginEntry[]
  disabled?: readonly PluginEntry[]
}

export const EXTENSION_POINTS = [
  'preEnqueue',
  'queueSort',
  'preFilter',
  'filter',
  'postFilter',
  'preScore',
  'score',
  'reserve',
  'permit',
  'preBind',
  'bind',
  'postBind',
] as const
export type ExtensionPoint = (typeof EXTENSION_POINTS)[number]

export type PluginSets = Partial<Record<ExtensionPoint | 'multiPoint', PluginSet>>

/** The arguments of all plugins that take some. */
export interface PluginArgs {
  DefaultPreemption: { minCandidateNodesPercentage: number; minCandidateNodesAbsolute: number }
  InterPodAffinity: { hardPodAffinityWeight: number; ignorePreferredTermsOfExistingPods: boolean }
  NodeAffinity: { addedAffinity?: NodeAffinity }
  NodeResourcesBalancedAllocation: { resources: readonly WeightedResource[] }
  NodeResourcesFit: { ignoredResources: readonly string[]; ignoredResourceGroups: readonly string[]; scoringStrategy: ScoringStrategy }
  PodTopologySpread: { defaultConstraints: readonly DefaultConstraint[]; isSystemDefaulted: boolean }
  VolumeBinding: { bindTimeoutMs: number }
  DynamicResources: { filterTimeoutMs: number; bindingTimeoutMs: number }
}

export interface ProfileConfiguration {
  schedulerName: string
  percentageOfNodesToScore?: number
  plugins: PluginSets
  args: PluginArgs
}

export interface ExtenderConfiguration {
  urlPrefix: string
  filterVerb?: string
  preemptVerb?: string
  prioritizeVerb?: string
  bindVerb?: string
  weight: number
  timeoutMs: number
  nodeCacheCapable: boolean
  managedResources: readonly { name: string; ignoredByScheduler: boolean }[]
  isIgnorable: boolean
  enableHttps: boolean
  tls?: { insecure: boolean; serverName?: string; cert?: string; key?: string; ca?: string }
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

export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json => typeof value === 'object' && value !== null && !Array.isArray(value)

/** One object of the file, read member by member; what is left over was not known. */
class Reader {
  readonly #value: Json
  readonly #path: string
  readonly #read = new Set(['apiVersion', 'kind'])

  constructor(value: unknown, path: string) {
    if (value !== undefined && value !== null && !isObject(value)) throw new ConfigurationError(`${path || 'the file'}: must be an object`)
    this.#value = isObject(value) ? value : {}
    this.#path = path
  }

  at(key: string): string {
    return this.#path ? `${this.#path}.${key}` : key
  }

  has(key: string): boolean {
    return this.#value[key] !== undefined && this.#value[key] !== null
  }

  raw(key: string): unknown {
    this.#read.add(key)
    return this.#value[key] ?? undefined
  }

  #typed<T>(key: string, type: string, fallback: T): T {
    const value = this.raw(key)
    if (value === undefined) return fallback
    if (typeof value !== type) throw new ConfigurationError(`${this.at(key)}: must be a ${type}`)
    return value as T
  }

  string(key: string, fallback = ''): string {
    return this.#typed(key, 'string', fallback)
  }

  boolean(key: string, fallback = false): boolean {
    return this.#typed(key, 'boolean', fallback)
  }

  number(key: string, fallback: number, min = -Infinity, max = Infinity): number {
    const value = this.#typed(key, 'number', fallback)
    if (!Number.isInteger(value) || value < min || value > max)
      throw new ConfigurationError(`${this.at(key)}: Invalid value: ${value}: not in valid range [${min}-${max}]`)
    return value
  }

  /** A duration as Go writes it, `5s`, `1m30s`, `100ms`. */
  durationMs(key: string, fallbackMs: number): number {
    const text = this.string(key)
    if (!text) return fallbackMs
    const parts = [...text.matchAll(/(\d+(?:\.\d+)?)(ms|s|m|h)/g)]
    if (parts.map(([part]) => part).join('') !== text) throw new ConfigurationError(`${this.at(key)}: time: invalid duration "${text}"`)
    const units: Readonly<Record<string, number>> = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }
    return parts.reduce((sum, [, amount, unit]) => sum + Number(amount) * (units[unit as string] as number), 0)
  }

  object(key: string): Reader {
    return new Reader(this.raw(key), this.at(key))
  }

  list<T>(key: string, read: (item: Reader) => T): T[] {
    const value = this.raw(key)
    if (value === undefined) return []
    if (!Array.isArray(value)) throw new ConfigurationError(`${this.at(key)}: must be a list`)
    return value.map((item: unknown, i) => {
      const reader = new Reader(item, `${this.at(key)}[${i}]`)
      const result = read(reader)
      reader.end()
      return result
    })
  }

  strings(key: string): string[] {
    const value = this.raw(key)
    if (value === undefined) return []
    if (!Array.isArray(value) || !value.every((item) => typeof item === 'string'))
      throw new ConfigurationError(`${this.at(key)}: must be a list of strings`)
    return value as string[]
  }

  end(): void {
    const strange = Object.keys(this.#value).find((key) => !this.#read.has(key))
    if (strange !== undefined) throw new ConfigurationError(`strict decoding error: unknown field "${this.at(strange)}"`)
  }
}

const entry = (item: Reader): PluginEntry => {
  const name = item.string('name')
  return item.has('weight') ? { name, weight: item.number('weight', 0, 0) } : { name }
}

function readPlugins(reader: Reader): PluginSets {
  const sets: PluginSets = {}
  for (const point of [...EXTENSION_POINTS, 'multiPoint'] as const) {
    if (!reader.has(point)) continue
    const set = reader.object(point)
    sets[point] = { enabled: set.list('enabled', entry), disabled: set.list('disabled', entry) }
    set.end()
  }
  reader.end()
  return sets
}

const weighted = (item: Reader): WeightedResource => ({ name: item.string('name'), weight: item.number('weight', 0, 0, 100) || 1 })

function readShape(reader: Reader): { utilization: number; score: number }[] {
  const shape = reader.list('shape', (point) => ({
    utilization: point.number('utilization', 0, 0, 100),
    score: point.number('score', 0, 0, 10),
  }))
  if (shape.length === 0) throw new ConfigurationError(`${reader.at('shape')}: Required value: at least one point must be specified`)
  if (shape.some(({ utilization }, i) => i > 0 && utilization <= (shape[i - 1]?.utilization ?? 0)))
    throw new ConfigurationError(`${reader.at('shape')}: Invalid value: utilization values must be sorted in increasing order`)
  return shape
}

function readStrategy(reader: Reader): ScoringStrategy {
  const type = reader.string('type', 'LeastAllocated')
  const given = reader.list('resources', weighted)
  const resources = given.length > 0 ? given : DEFAULT_RESOURCES
  if (type === 'LeastAllocated' || type === 'MostAllocated') return { type, resources }
  if (type === 'RequestedToCapacityRatio') return { type, resources, shape: readShape(reader.object('requestedToCapacityRatio')) }
  throw new ConfigurationError(
    `${reader.at('type')}: Unsupported value: "${type}": supported values: "LeastAllocated", "MostAllocated", "RequestedToCapacityRatio"`,
  )
}

function readSpread(reader: Reader): PluginArgs['PodTopologySpread'] {
  const type = reader.string('defaultingType', 'System')
  const constraints = reader.list('defaultConstraints', (item) => {
    if (item.has('labelSelector'))
      throw new ConfigurationError(
        `${item.at('labelSelector')}: Forbidden: constraint must not define a selector, as they deduced for each pod`,
      )
    return {
      maxSkew: item.number('maxSkew', 0, 1),
      topologyKey: item.string('topologyKey'),
      whenUnsatisfiable: item.string('whenUnsatisfiable', 'DoNotSchedule'),
    }
  })
  if (type === 'List') return { defaultConstraints: constraints, isSystemDefaulted: false }
  if (constraints.length > 0)
    throw new ConfigurationError(`${reader.at('defaultingType')}: Invalid value: "${type}": when .defaultConstraints are not empty`)
  return { defaultConstraints: SYSTEM_DEFAULTS, isSystemDefaulted: true }
}

const FIT: ScoringStrategy = { type: 'LeastAllocated', resources: DEFAULT_RESOURCES }

/** Each plugin's arguments out of its part of the file. */
const ARGS: { [K in keyof PluginArgs]: (reader: Reader) => PluginArgs[K] } = {
  DefaultPreemption: (r) => ({
    minCandidateNodesPercentage: r.number('minCandidateNodesPercentage', 10, 0, 100),
    minCandidateNodesAbsolute: r.number('minCandidateNodesAbsolute', 100, 0),
  }),
  InterPodAffinity: (r) => ({
    hardPodAffinityWeight: r.number('hardPodAffinityWeight', 1, 0, 100),
    ignorePreferredTermsOfExistingPods: r.boolean('ignorePreferredTermsOfExistingPods'),
  }),
  NodeAffinity(r) {
    const addedAffinity = r.raw('addedAffinity')
    return addedAffinity === undefined ? {} : { addedAffinity: addedAffinity as NodeAffinity }
  },
  NodeResourcesBalancedAllocation(r) {
    const resources = r.list('resources', weighted)
    return { resources: resources.length > 0 ? resources : DEFAULT_RESOURCES }
  },
  NodeResourcesFit: (r) => ({
    ignoredResources: r.strings('ignoredResources'),
    ignoredResourceGroups: r.strings('ignoredResourceGroups'),
    scoringStrategy: r.has('scoringStrategy') ? readStrategy(r.object('scoringStrategy')) : FIT,
  }),
  PodTopologySpread: readSpread,
  VolumeBinding(r) {
    r.raw('shape')
    return { bindTimeoutMs: r.number('bindTimeoutSeconds', 600, 0) * 1_000 }
  },
  DynamicResources: (r) => ({
    filterTimeoutMs: r.durationMs('filterTimeout', 10_000),
    bindingTimeoutMs: r.durationMs('bindingTimeout', 600_000),
  }),
}

function readArgs(profile: Reader): PluginArgs {
  const given = new Map<string, Reader>()
  profile.list('pluginConfig', (item) => {
    const name = item.string('name')
    if (given.has(name)) throw new ConfigurationError(`${item.at('name')}: Duplicate value: "${name}"`)
    given.set(name, item.object('args'))
  })
  const read = <K extends keyof PluginArgs>(name: K): PluginArgs[K] => {
    const reader = given.get(name) ?? new Reader(undefined, '')
    const args = ARGS[name](reader)
    reader.end()
    return args
  }
  return {
    DefaultPreemption: read('DefaultPreemption'),
    InterPodAffinity: read('InterPodAffinity'),
    NodeAffinity: read('NodeAffinity'),
    NodeResourcesBalancedAllocation: read('NodeResourcesBalancedAllocation'),
    NodeResourcesFit: read('NodeResourcesFit'),
    PodTopologySpread: read('PodTopologySpread'),
    VolumeBinding: read('VolumeBinding'),
    DynamicResources: read('DynamicResources'),
  }
}

function readProfile(reader: Reader, isOnlyOne: boolean): ProfileConfiguration {
  const schedulerName = reader.string('schedulerName', isOnlyOne ? DEFAULT_SCHEDULER : '')
  if (!schedulerName) throw new ConfigurationError(`${reader.at('schedulerName')}: Required value`)
  return {
    schedulerName,
    ...(reader.has('percentageOfNodesToScore') && { percentageOfNodesToScore: reader.number('percentageOfNodesToScore', 0, 0, 100) }),
    plugins: readPlugins(reader.object('plugins')),
    args: readArgs(reader),
  }
}

function readExtender(reader: Reader): ExtenderConfiguration {
  const verbs = (['filterVerb', 'preemptVerb', 'prioritizeVerb', 'bindVerb'] as const).map((verb) => [verb, reader.string(verb)] as const)
  const tls = reader.object('tlsConfig')
  const pem = (key: string): string => (tls.has(key) ? Buffer.from(tls.string(key), 'base64').toString() : '')
  const [cert, key, ca, serverName] = [pem('certData'), pem('keyData'), pem('caData'), tls.string('serverName')]
  return {
    urlPrefix: reader.string('urlPrefix'),
    ...Object.fromEntries(verbs.filter(([, path]) => path !== '')),
    weight: reader.number('weight', 1, 1),
    timeoutMs: reader.durationMs('httpTimeout', 5_000),
    nodeCacheCapable: reader.boolean('nodeCacheCapable'),
    managedResources: reader.list('managedResources', (item) => ({
      name: item.string('name'),
      ignoredByScheduler: item.boolean('ignoredByScheduler'),
    })),
    isIgnorable: reader.boolean('ignorable'),
    enableHttps: reader.boolean('enableHTTPS'),
    ...(reader.has('tlsConfig') && {
      tls: {
        insecure: tls.boolean('insecure'),
        ...(serverName && { serverName }),
        ...(cert && { cert }),
        ...(key && { key }),
        ...(ca && { ca }),
      },
    }),
  }
}

function readLeaderElection(reader: Reader): LeaderElectionConfiguration {
  const [leaseDurationMs, renewDeadlineMs, retryPeriodMs] = [
    reader.durationMs('leaseDuration', 15_000),
    reader.durationMs('renewDeadline', 10_000),
    reader.durationMs('retryPeriod', 2_000),
  ]
  const lock = reader.string('resourceLock', 'leases')
  const election: LeaderElectionConfiguration = {
    ...(reader.has('leaderElect') && { leaderElect: reader.boolean('leaderElect') }),
    leaseDurationMs,
    renewDeadlineMs,
    retryPeriodMs,
    lease: { namespace: reader.string('resourceNamespace', 'kube-system'), name: reader.string('resourceName', 'kube-scheduler') },
  }
  reader.boolean('leaderElect')
  reader.end()
  if (election.leaderElect === false) return election
  const refuse = (key: string, value: string, why: string): never => {
    throw new ConfigurationError(`${reader.at(key)}: Invalid value: "${value}": ${why}`)
  }
  if (lock !== 'leases') refuse('resourceLock', lock, 'resourceLock value must be "leases"')
  for (const [key, durationMs] of Object.entries({
    leaseDuration: leaseDurationMs,
    renewDeadline: renewDeadlineMs,
    retryPeriod: retryPeriodMs,
  }))
    if (durationMs <= 0) refuse(key, `${durationMs / 1_000}s`, 'must be greater than zero')
  if (leaseDurationMs <= renewDeadlineMs)
    refuse('leaseDuration', `${leaseDurationMs / 1_000}s`, 'LeaseDuration must be greater than RenewDeadline')
  if (renewDeadlineMs <= retryPeriodMs)
    refuse('renewDeadline', `${renewDeadlineMs / 1_000}s`, 'RenewDeadline must be greater than RetryPeriod')
  return election
}

/** What a file says, or upstream's defaults without one. @throws ConfigurationError */
export function readSchedulerConfiguration(text?: string): SchedulerConfiguration {
  const value: unknown = text === undefined ? { apiVersion: API_VERSION, kind: 'KubeSchedulerConfiguration' } : parseYaml(text).value
  const { apiVersion, kind } = isObject(value) ? value : {}
  if (apiVersion !== API_VERSION || kind !== 'KubeSchedulerConfiguration')
    throw new ConfigurationError(`no kind "${String(kind)}" is registered for version "${String(apiVersion)}" in scheme`)
  const reader = new Reader(value, '')
  const listed = reader.raw('profiles')
  const given = Array.isArray(listed) ? listed.length : 0
  const profiles = given > 0 ? reader.list('profiles', (item) => readProfile(item, given === 1)) : [readProfile(new Reader({}, ''), true)]
  const names = profiles.map(({ schedulerName }) => schedulerName)
  const double = names.find((name, i) => names.indexOf(name) !== i)
  if (double !== undefined) throw new ConfigurationError(`profiles: Duplicate value: "${double}"`)
  // What concerns how upstream's binary talks to its server and is debugged has no meaning here.
  for (const key of ['clientConnection', 'parallelism', 'enableProfiling', 'enableContentionProfiling', 'delayCacheUntilActive'])
    reader.raw(key)
  const configuration: SchedulerConfiguration = {
    profiles,
    extenders: reader.list('extenders', readExtender),
    percentageOfNodesToScore: reader.number('percentageOfNodesToScore', 0, 0, 100),
    podInitialBackoffMs: reader.number('podInitialBackoffSeconds', 1, 1) * 1_000,
    podMaxBackoffMs: reader.number('podMaxBackoffSeconds', 10, 1) * 1_000,
    leaderElection: readLeaderElection(reader.object('leaderElection')),
  }
  reader.end()
  if (configuration.podMaxBackoffMs < configuration.podInitialBackoffMs)
    throw new ConfigurationError('podMaxBackoffSeconds: Invalid value: must be greater than or equal to PodInitialBackoffSeconds')
  const binders = configuration.extenders.filter(({ bindVerb }) => bindVerb !== undefined)
  if (binders.length > 1) throw new ConfigurationError('extenders: Invalid value: only one extender can implement bind')
  return configuration
}

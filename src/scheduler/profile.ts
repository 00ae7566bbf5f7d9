/** Profiles: which plugins a scheduler name stands for, by extension point, out of upstream's defaults and the configuration. */
import type { PluginPoints } from './cycle.ts'
import type { ExtensionPoint, PluginEntry, PluginSet, PluginSets, ProfileConfiguration } from './configuration.ts'
import { ConfigurationError } from './configuration.ts'
import type { EventHint } from './events.ts'
import type { Plugin } from './framework.ts'

/** Upstream's default plugins in their order and with their weights. */
export const DEFAULT_PLUGINS: readonly PluginEntry[] = [
  { name: 'SchedulingGates' },
  { name: 'PrioritySort' },
  { name: 'NodeUnschedulable' },
  { name: 'NodeName' },
  { name: 'TaintToleration', weight: 3 },
  { name: 'NodeAffinity', weight: 2 },
  { name: 'NodePorts' },
  { name: 'NodeResourcesFit', weight: 1 },
  { name: 'VolumeRestrictions' },
  { name: 'NodeVolumeLimits' },
  { name: 'VolumeBinding' },
  { name: 'VolumeZone' },
  { name: 'PodTopologySpread', weight: 2 },
  { name: 'InterPodAffinity', weight: 2 },
  { name: 'DynamicResources', weight: 2 },
  { name: 'DefaultPreemption' },
  { name: 'NodeResourcesBalancedAllocation', weight: 1 },
  { name: 'ImageLocality', weight: 1 },
  { name: 'DefaultBinder' },
  { name: 'NodeDeclaredFeatures' },
]

/** Where each plugin takes part. */
const POINTS: Readonly<Record<string, readonly ExtensionPoint[]>> = {
  SchedulingGates: ['preEnqueue'],
  PrioritySort: ['queueSort'],
  NodeUnschedulable: ['preFilter', 'filter'],
  NodeName: ['preFilter', 'filter'],
  TaintToleration: ['preFilter', 'filter', 'preScore', 'score'],
  NodeAffinity: ['preFilter', 'filter', 'preScore', 'score'],
  NodePorts: ['preFilter', 'filter'],
  NodeResourcesFit: ['preFilter', 'filter', 'preScore', 'score'],
  VolumeRestrictions: ['preFilter', 'filter'],
  NodeVolumeLimits: ['preFilter', 'filter'],
  VolumeBinding: ['preFilter', 'filter', 'reserve', 'preBind', 'preScore', 'score'],
  VolumeZone: ['preFilter', 'filter'],
  PodTopologySpread: ['preFilter', 'filter', 'preScore', 'score'],
  InterPodAffinity: ['preFilter', 'filter', 'preScore', 'score'],
  DynamicResources: ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'reserve', 'preBind', 'preScore', 'score'],
  DefaultPreemption: ['preEnqueue', 'postFilter'],
  NodeResourcesBalancedAllocation: ['preScore', 'score'],
  ImageLocality: ['score'],
  DefaultBinder: ['bind'],
  NodeDeclaredFeatures: ['preFilter', 'filter'],
}

const isOff = ({ disabled = [] }: PluginSet, name: string): boolean => disabled.some((entry) => entry.name === '*' || entry.name === name)

/** The configuration's list over the defaults: what it names again keeps its place and gets its weight. */
function merged(defaults: readonly PluginEntry[], set: PluginSet = {}): PluginEntry[] {
  const custom = new Map((set.enabled ?? []).map((entry) => [entry.name, entry]))
  const kept = defaults.filter(({ name }) => !isOff(set, name)).map((entry) => custom.get(entry.name) ?? entry)
  const names = new Set(kept.map(({ name }) => name))
  return [...kept, ...(set.enabled ?? []).filter(({ name }) => !names.has(name))]
}

/** A point's plugins: those that it names over the ones for all points first, then the rest of those, then its own. */
function atPoint(point: ExtensionPoint, multi: readonly PluginEntry[], set: PluginSet = {}): PluginEntry[] {
  const own = new Map((set.enabled ?? []).map((entry) => [entry.name, entry]))
  const taking = multi.filter(({ name }) => POINTS[name]?.includes(point))
  const overridden = taking.filter(({ name }) => own.has(name))
  const plain = taking.filter(({ name }) => !own.has(name) && !isOff(set, name))
  const overriddenNames = new Set(overridden.map(({ name }) => name))
  const more = (set.enabled ?? []).filter(({ name }) => !overriddenNames.has(name))
  return [...overridden.map((entry) => ({ ...entry, ...own.get(entry.name) })), ...plain, ...more]
}

/** The names of a profile's plugins by point. */
export function pluginNames(sets: PluginSets): Record<ExtensionPoint, PluginEntry[]> {
  const multi = merged(DEFAULT_PLUGINS, sets.multiPoint)
  const at = (point: ExtensionPoint): PluginEntry[] => {
    const entries = atPoint(point, multi, sets[point])
    for (const { name } of entries) if (!POINTS[name]) throw new ConfigurationError(`${point} plugin "${name}" does not exist`)
    return entries
  }
  for (const { name } of multi) if (!POINTS[name]) throw new ConfigurationError(`multiPoint plugin "${name}" does not exist`)
  return {
    preEnqueue: at('preEnqueue'),
    queueSort: at('queueSort'),
    preFilter: at('preFilter'),
    filter: at('filter'),
    postFilter: at('postFilter'),
    preScore: at('preScore'),
    score: at('score'),
    reserve: at('reserve'),
    permit: at('permit'),
    preBind: at('preBind'),
    bind: at('bind'),
    postBind: at('postBind'),
  }
}

export interface Profile {
  schedulerName: string
  points: PluginPoints
  percentageOfNodesToScore: number
  /** The hints of every plugin that may refuse a pod. */
  hints: ReadonlyMap<string, readonly EventHint[]>
}

export function buildProfile(configuration: ProfileConfiguration, create: (name: string) => Plugin, defaultPercentage: number): Profile {
  const names = pluginNames(configuration.plugins)
  const made = new Map<string, Plugin>()
  const plugin = (name: string): Plugin => {
    let known = made.get(name)
    if (!known) made.set(name, (known = create(name)))
    return known
  }
  const all = (entries: readonly PluginEntry[]): Plugin[] => entries.map(({ name }) => plugin(name))
  const [queueSort, ...moreSorts] = all(names.queueSort)
  if (!queueSort || moreSorts.length > 0)
    throw new ConfigurationError(`only one queue sort plugin required for profile with scheduler name "${configuration.schedulerName}"`)
  const bind = all(names.bind)
  if (bind.length === 0) throw new ConfigurationError('at least one bind plugin is needed')
  const points: PluginPoints = {
    queueSort,
    bind,
    preEnqueue: all(names.preEnqueue),
    preFilter: all(names.preFilter),
    filter: all(names.filter),
    postFilter: all(names.postFilter),
    score: names.score.map(({ name, weight = 1 }) => ({ plugin: plugin(name), weight: weight || 1 })),
    reserve: all(names.reserve),
    preBind: all(names.preBind),
  }
  return {
    schedulerName: configuration.schedulerName,
    points,
    percentageOfNodesToScore: configuration.percentageOfNodesToScore ?? defaultPercentage,
    hints: new Map([...made].map(([name, { events }]) => [name, events])),
  }
}

/** Which plugins take part where: upstream's defaults, what a configuration makes of them, and what it may not ask for. */

export interface PluginEntry {
  name: string
  weight?: number
}

export interface PluginSet {
  enabled?: readonly PluginEntry[]
  disabled?: readonly PluginEntry[]
}

/** With upstream's names for what takes part there, in the order in which it looks at them. */
const TYPES = {
  preFilter: 'PreFilterPlugin',
  filter: 'FilterPlugin',
  postFilter: 'PostFilterPlugin',
  reserve: 'ReservePlugin',
  preScore: 'PreScorePlugin',
  score: 'ScorePlugin',
  preBind: 'PreBindPlugin',
  bind: 'BindPlugin',
  postBind: 'PostBindPlugin',
  permit: 'PermitPlugin',
  preEnqueue: 'PreEnqueuePlugin',
  queueSort: 'QueueSortPlugin',
} as const

export type ExtensionPoint = keyof typeof TYPES
export const EXTENSION_POINTS = Object.keys(TYPES) as readonly ExtensionPoint[]

export type PluginSets = Partial<Record<ExtensionPoint | 'multiPoint', PluginSet>>

/** A configuration that cannot be. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

/** Upstream's default plugins in their order, with their weights and where each takes part. */
const DEFAULTS: readonly (PluginEntry & { points: readonly ExtensionPoint[] })[] = [
  { name: 'SchedulingGates', points: ['preEnqueue'] },
  { name: 'PrioritySort', points: ['queueSort'] },
  { name: 'NodeUnschedulable', points: ['preFilter', 'filter'] },
  { name: 'NodeName', points: ['preFilter', 'filter'] },
  { name: 'TaintToleration', weight: 3, points: ['preFilter', 'filter', 'preScore', 'score'] },
  { name: 'NodeAffinity', weight: 2, points: ['preFilter', 'filter', 'preScore', 'score'] },
  { name: 'NodePorts', points: ['preFilter', 'filter'] },
  { name: 'NodeResourcesFit', weight: 1, points: ['preFilter', 'filter', 'preScore', 'score'] },
  { name: 'VolumeRestrictions', points: ['preFilter', 'filter'] },
  { name: 'NodeVolumeLimits', points: ['preFilter', 'filter'] },
  { name: 'VolumeBinding', points: ['preFilter', 'filter', 'reserve', 'preBind', 'preScore', 'score'] },
  { name: 'VolumeZone', points: ['preFilter', 'filter'] },
  { name: 'PodTopologySpread', weight: 2, points: ['preFilter', 'filter', 'preScore', 'score'] },
  { name: 'InterPodAffinity', weight: 2, points: ['preFilter', 'filter', 'preScore', 'score'] },
  {
    name: 'DynamicResources',
    weight: 2,
    points: ['preEnqueue', 'preFilter', 'filter', 'postFilter', 'reserve', 'preBind', 'preScore', 'score'],
  },
  { name: 'DefaultPreemption', points: ['preEnqueue', 'postFilter'] },
  { name: 'NodeResourcesBalancedAllocation', weight: 1, points: ['preScore', 'score'] },
  { name: 'ImageLocality', weight: 1, points: ['score'] },
  { name: 'DefaultBinder', points: ['bind'] },
  { name: 'NodeDeclaredFeatures', points: ['preFilter', 'filter'] },
]
const POINTS: ReadonlyMap<string, readonly ExtensionPoint[]> = new Map(DEFAULTS.map(({ name, points }) => [name, points]))

const isOff = ({ disabled = [] }: PluginSet, name: string): boolean => disabled.some((entry) => entry.name === '*' || entry.name === name)

/** The configuration's list over the defaults: what it names again keeps its place and gets its weight. */
function merged(set: PluginSet = {}): PluginEntry[] {
  const custom = new Map((set.enabled ?? []).map((entry) => [entry.name, entry]))
  const defaults = DEFAULTS.map(({ name, weight }): PluginEntry => (weight === undefined ? { name } : { name, weight }))
  const kept = defaults.filter(({ name }) => !isOff(set, name)).map((entry) => custom.get(entry.name) ?? entry)
  const names = new Set(kept.map(({ name }) => name))
  return [...kept, ...(set.enabled ?? []).filter(({ name }) => !names.has(name))]
}

/** A point's plugins: those that it names over the ones for all points first, then the rest of those, then its own. */
function atPoint(point: ExtensionPoint, multi: readonly PluginEntry[], set: PluginSet = {}): PluginEntry[] {
  const own = new Map((set.enabled ?? []).map((entry) => [entry.name, entry]))
  const taking = multi.filter(({ name }) => POINTS.get(name)?.includes(point))
  const overridden = taking.filter(({ name }) => own.has(name))
  const plain = taking.filter(({ name }) => !own.has(name) && !isOff(set, name))
  const overriddenNames = new Set(overridden.map(({ name }) => name))
  const more = (set.enabled ?? []).filter(({ name }) => !overriddenNames.has(name))
  return [...overridden.map((entry) => ({ ...entry, ...own.get(entry.name) })), ...plain, ...more]
}

function checkEnabled(point: ExtensionPoint, { enabled = [] }: PluginSet = {}): void {
  const type = TYPES[point]
  const seen = new Set<string>()
  for (const { name } of enabled) {
    const points = POINTS.get(name)
    if (!points) throw new ConfigurationError(`${type} "${name}" does not exist`)
    if (!points.includes(point)) throw new ConfigurationError(`plugin "${name}" does not extend ${type} plugin`)
    if (seen.has(name)) throw new ConfigurationError(`plugin "${name}" already registered as "${type}"`)
    seen.add(name)
  }
}

/** The names of a profile's plugins by point. @throws ConfigurationError */
export function pluginNames(sets: PluginSets, schedulerName = ''): Record<ExtensionPoint, PluginEntry[]> {
  const strange = sets.multiPoint?.enabled?.find(({ name }) => !POINTS.has(name))
  if (strange) throw new ConfigurationError(`${TYPES.preFilter} "${strange.name}" does not exist`)
  for (const point of EXTENSION_POINTS) checkEnabled(point, sets[point])
  const multi = merged(sets.multiPoint)
  const names = Object.fromEntries(EXTENSION_POINTS.map((point) => [point, atPoint(point, multi, sets[point])]))
  const { queueSort, bind, score } = names as Record<ExtensionPoint, PluginEntry[]>
  const whose = `profile with scheduler name "${schedulerName}"`
  if (queueSort.length !== 1) throw new ConfigurationError(`only one queue sort plugin required for ${whose}, but got ${queueSort.length}`)
  if (bind.length === 0) throw new ConfigurationError(`at least one bind plugin is needed for ${whose}`)
  if (score.some(({ weight = 1 }) => weight < 0)) throw new ConfigurationError('score plugins: total score of Score plugins could overflow')
  return names as Record<ExtensionPoint, PluginEntry[]>
}

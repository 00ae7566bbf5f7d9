/** The arguments of all plugins that take some, with upstream's defaults and rules. */
import type { NodeAffinity, NodeSelectorTerm } from '../../api/kinds/core/v1.ts'
import { isQualifiedName } from '../../api/validation/names.ts'
import { DEFAULT_RESOURCES, type ScoringStrategy, type WeightedResource } from '../plugins/allocationScores.ts'
import { SYSTEM_DEFAULTS, type DefaultConstraint } from '../plugins/spreadConstraints.ts'
import { ConfigurationError } from '../pluginPoints.ts'
import { aggregate, Findings, Reader } from './reader.ts'

export interface PluginArgs {
  DefaultPreemption: { minCandidateNodesPercentage: number; minCandidateNodesAbsolute: number }
  InterPodAffinity: { hardPodAffinityWeight: number; ignorePreferredTermsOfExistingPods: boolean }
  NodeAffinity: { addedAffinity?: NodeAffinity }
  NodeResourcesBalancedAllocation: { resources: readonly WeightedResource[] }
  NodeResourcesFit: { ignoredResources: readonly string[]; ignoredResourceGroups: readonly string[]; scoringStrategy: ScoringStrategy }
  PodTopologySpread: { defaultConstraints: readonly DefaultConstraint[]; isSystemDefaulted: boolean }
  VolumeBinding: { bindTimeoutMs: number }
  DynamicResources: { bindingTimeoutMs: number }
}

function readPreemption(r: Reader): PluginArgs['DefaultPreemption'] {
  const percentage = r.within('minCandidateNodesPercentage', 10, 0, 100)
  const absolute = r.within('minCandidateNodesAbsolute', 100, 0, Infinity, '[0, inf)')
  if (percentage === 0 && absolute === 0) {
    r.invalid('minCandidateNodesPercentage', 0, 'cannot be zero at the same time as minCandidateNodesAbsolute')
    r.invalid('minCandidateNodesAbsolute', 0, 'cannot be zero at the same time as minCandidateNodesPercentage')
  }
  return { minCandidateNodesPercentage: percentage, minCandidateNodesAbsolute: absolute }
}

const OPERATORS = ['In', 'NotIn', 'Exists', 'DoesNotExist', 'Gt', 'Lt'] as const

function checkTerm({ matchExpressions = [] }: NodeSelectorTerm, path: string, { invalid }: Findings): void {
  for (const [i, { operator, values = [] }] of matchExpressions.entries()) {
    const at = `${path}.matchExpressions[${i}]`
    if (!(OPERATORS as readonly string[]).includes(operator))
      invalid.push(
        `${at}.operator: Unsupported value: ${JSON.stringify(operator)}: supported values: ${OPERATORS.map((o) => `"${o}"`).join(', ')}`,
      )
    else if ((operator === 'Gt' || operator === 'Lt') && !/^[+-]?\d+$/.test(values[0] ?? ''))
      invalid.push(
        `${at}.values[0]: Invalid value: ${JSON.stringify(values[0] ?? '')}: for 'Gt', 'Lt' operators, the value must be an integer`,
      )
  }
}

function readAffinity(r: Reader): PluginArgs['NodeAffinity'] {
  const addedAffinity = r.raw('addedAffinity') as NodeAffinity | undefined
  if (!addedAffinity) return {}
  const { requiredDuringSchedulingIgnoredDuringExecution: required, preferredDuringSchedulingIgnoredDuringExecution: preferred } =
    addedAffinity
  const path = r.at('addedAffinity')
  for (const [i, term] of (required?.nodeSelectorTerms ?? []).entries())
    checkTerm(term, `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms[${i}]`, r.findings)
  for (const [i, { preference }] of (preferred ?? []).entries())
    checkTerm(preference, `${path}.preferredDuringSchedulingIgnoredDuringExecution[${i}]`, r.findings)
  return { addedAffinity }
}

const weighted = (item: Reader): WeightedResource => ({ name: item.string('name'), weight: item.integer('weight', 0) || 1 })

function readBalanced(r: Reader): PluginArgs['NodeResourcesBalancedAllocation'] {
  const seen = new Set<string>()
  const resources = r.list('resources', 'v1.ResourceSpec', (item) => {
    const resource = weighted(item)
    if (seen.has(resource.name)) r.findings.invalid.push(`${item.at('name')}: Duplicate value: "${resource.name}"`)
    seen.add(resource.name)
    if (resource.weight !== 1) item.invalid('weight', resource.weight, 'must be 1')
    return resource
  })
  return { resources: resources.length > 0 ? resources : DEFAULT_RESOURCES }
}

function readShape(r: Reader): { utilization: number; score: number }[] {
  const shape = r.list('shape', 'v1.UtilizationShapePoint', (point) => ({
    utilization: point.integer('utilization', 0),
    score: point.integer('score', 0),
  }))
  const at = (i: number, key: string): string => `shape[${i}].${key}`
  if (shape.length === 0) r.required('shape', 'at least one point must be specified')
  const unsorted = shape.findIndex(({ utilization }, i) => i > 0 && utilization <= (shape[i - 1]?.utilization ?? 0))
  if (unsorted > 0) r.invalid(at(unsorted, 'utilization'), shape[unsorted]?.utilization ?? 0, 'values must be sorted in increasing order')
  for (const [i, { utilization, score }] of shape.entries()) {
    if (utilization < 0 || utilization > 100) r.invalid(at(i, 'utilization'), utilization, 'not in valid range [0, 100]')
    if (score < 0 || score > 10) r.invalid(at(i, 'score'), score, 'not in valid range [0, 10]')
  }
  return shape
}

const STRATEGIES = ['LeastAllocated', 'MostAllocated', 'RequestedToCapacityRatio'] as const

function readStrategy(r: Reader): ScoringStrategy {
  const type = r.string('type')
  if (!(STRATEGIES as readonly string[]).includes(type)) r.unsupported('type', type, STRATEGIES)
  const given = r.list('resources', 'v1.ResourceSpec', (item) => {
    const resource = weighted(item)
    if (resource.weight < 0 || resource.weight > 100)
      item.invalid('weight', resource.weight, `resource weight of ${resource.name} not in valid range (0, 100]`)
    return resource
  })
  const resources = given.length > 0 ? given : DEFAULT_RESOURCES
  const hasRatio = r.has('requestedToCapacityRatio')
  const ratio = r.object('requestedToCapacityRatio', 'RequestedToCapacityRatioParam')
  if (type !== 'RequestedToCapacityRatio') {
    if (hasRatio)
      r.findings.invalid.push(`${r.at('requestedToCapacityRatio')}: Forbidden: must be nil when type is not RequestedToCapacityRatio`)
    return { type: type === 'MostAllocated' ? type : 'LeastAllocated', resources }
  }
  if (!hasRatio) r.required('requestedToCapacityRatio', 'must be specified when type is RequestedToCapacityRatio')
  const shape = hasRatio ? readShape(ratio) : []
  ratio.end()
  return { type, resources, shape }
}

function readFit(r: Reader): PluginArgs['NodeResourcesFit'] {
  const check = (key: string, name: string): void => {
    for (const why of isQualifiedName(name)) r.invalid(key, name, why)
  }
  const ignoredResources = r.strings('ignoredResources')
  for (const [i, name] of ignoredResources.entries()) check(`ignoredResources[${i}]`, name)
  const ignoredResourceGroups = r.strings('ignoredResourceGroups')
  for (const [i, group] of ignoredResourceGroups.entries()) {
    if (group.includes('/')) r.invalid(`ignoredResourceGroups[${i}]`, group, "resource group name can't contain '/'")
    check(`ignoredResourceGroups[${i}]`, group)
  }
  const strategy = r.object('scoringStrategy', 'ScoringStrategy')
  const scoringStrategy = r.has('scoringStrategy')
    ? readStrategy(strategy)
    : ({ type: 'LeastAllocated', resources: DEFAULT_RESOURCES } as const)
  strategy.end()
  return { ignoredResources, ignoredResourceGroups, scoringStrategy }
}

function readConstraint(item: Reader): DefaultConstraint {
  const [maxSkew, topologyKey, whenUnsatisfiable] = [
    item.integer('maxSkew', 0),
    item.string('topologyKey'),
    item.string('whenUnsatisfiable'),
  ]
  if (maxSkew <= 0) item.invalid('maxSkew', maxSkew, 'not in valid range (0, inf)')
  if (topologyKey === '') item.required('topologyKey', 'can not be empty')
  else for (const why of isQualifiedName(topologyKey)) item.invalid('topologyKey', topologyKey, why)
  if (whenUnsatisfiable === '') item.required('whenUnsatisfiable', 'can not be empty')
  else if (whenUnsatisfiable !== 'DoNotSchedule' && whenUnsatisfiable !== 'ScheduleAnyway')
    item.unsupported('whenUnsatisfiable', whenUnsatisfiable, ['DoNotSchedule', 'ScheduleAnyway'])
  if (item.raw('labelSelector') !== undefined)
    item.findings.invalid.push(
      `${item.at('labelSelector')}: Forbidden: constraint must not define a selector, as they deduced for each pod`,
    )
  return { maxSkew, topologyKey, whenUnsatisfiable }
}

function readSpread(r: Reader): PluginArgs['PodTopologySpread'] {
  const type = r.string('defaultingType') || 'System'
  const isGiven = Array.isArray(r.raw('defaultConstraints')) && (r.raw('defaultConstraints') as unknown[]).length > 0
  if (type !== 'System' && type !== 'List') r.unsupported('defaultingType', type, ['System', 'List'])
  else if (type === 'System' && isGiven) r.invalid('defaultingType', type, 'when .defaultConstraints are not empty')
  const seen = new Set<string>()
  const constraints = r.list('defaultConstraints', 'v1.TopologySpreadConstraint', (item) => {
    const constraint = readConstraint(item)
    const key = `{${constraint.topologyKey}, ${constraint.whenUnsatisfiable}}`
    if (seen.has(key)) r.findings.invalid.push(`${item.path}: Duplicate value: "${key}"`)
    seen.add(key)
    return constraint
  })
  return type === 'System'
    ? { defaultConstraints: SYSTEM_DEFAULTS, isSystemDefaulted: true }
    : { defaultConstraints: constraints, isSystemDefaulted: false }
}

function readVolumeBinding(r: Reader): PluginArgs['VolumeBinding'] {
  const seconds = r.integer('bindTimeoutSeconds', 600)
  if (seconds < 0) r.invalid('bindTimeoutSeconds', seconds, 'invalid BindTimeoutSeconds, should not be a negative value')
  if (r.has('shape')) {
    const points = r.list('shape', 'v1.UtilizationShapePoint', (p) => ({
      Utilization: p.integer('utilization', 0),
      Score: p.integer('score', 0),
    }))
    const why = 'unexpected field `shape`, remove it or turn on the feature gate StorageCapacityScoring'
    r.findings.invalid.push(`${r.at('shape')}: Invalid value: ${JSON.stringify(points)}: ${why}`)
  }
  return { bindTimeoutMs: seconds * 1_000 }
}

function readDynamicResources(r: Reader): PluginArgs['DynamicResources'] {
  const [filter, binding] = [r.string('filterTimeout'), r.string('bindingTimeout')]
  if (r.durationMs('filterTimeout', 0) < 0) r.invalid('filterTimeout', filter, 'must be zero or positive')
  const bindingTimeoutMs = r.durationMs('bindingTimeout', 600_000)
  if (bindingTimeoutMs < 1_000) r.invalid('bindingTimeout', binding, 'must be at least 1 second')
  return { bindingTimeoutMs }
}

const READERS: { [K in keyof PluginArgs]: (reader: Reader) => PluginArgs[K] } = {
  DefaultPreemption: readPreemption,
  InterPodAffinity: (r) => ({
    hardPodAffinityWeight: r.within('hardPodAffinityWeight', 1, 0, 100),
    ignorePreferredTermsOfExistingPods: r.boolean('ignorePreferredTermsOfExistingPods'),
  }),
  NodeAffinity: readAffinity,
  NodeResourcesBalancedAllocation: readBalanced,
  NodeResourcesFit: readFit,
  PodTopologySpread: readSpread,
  VolumeBinding: readVolumeBinding,
  DynamicResources: readDynamicResources,
}

interface Given {
  value: unknown
  path: string
}

function givenArgs(profile: Reader): Map<string, Given> {
  const given = new Map<string, Given>()
  profile.list('pluginConfig', 'v1.PluginConfig', (item) => {
    const name = item.string('name')
    if (given.has(name)) profile.findings.invalid.push(`${item.path}: Duplicate value: ${JSON.stringify(name)}`)
    given.set(name, { value: item.raw('args'), path: item.path })
  })
  return given
}

/** @throws ConfigurationError where the arguments are not of the form that the plugin takes */
function readArgsOf<K extends keyof PluginArgs>(
  name: K,
  given: Given | undefined,
  findings: Findings,
): { args: PluginArgs[K]; problem?: string } {
  const isLate = name === 'NodeResourcesFit'
  // Upstream looks at these when the plugin is made, which knows nothing of the file.
  const own = isLate ? new Findings() : findings
  const where = `decoding .${given?.path}: `
  try {
    const reader = new Reader(given?.value, given && !isLate ? `${given.path}.args` : '', `${name}Args`, own)
    const args = READERS[name](reader)
    const told = reader.leftOver.map((key) => `unknown field "${key}"`)
    if (told.length > 0)
      findings.unknown.push(`${where}strict decoding error: decoding args for plugin ${name}: strict decoding error: ${told.join(', ')}`)
    return { args, ...(isLate && own.invalid.length > 0 && { problem: `initializing plugin "${name}": ${aggregate(own.invalid)}` }) }
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error
    const message = error.message.replace(`${name}Args.${given?.path.replace(/\[\d+\]/g, '')}.args.`, `${name}Args.`)
    throw new ConfigurationError(`${where}decoding args for plugin ${name}: ${message}`, { cause: error })
  }
}

/** What a profile's plugins are given, and what one of them would not start with. */
export function readArgs(profile: Reader): { args: PluginArgs; problem?: string } {
  const given = givenArgs(profile)
  const read = <K extends keyof PluginArgs>(name: K) => readArgsOf(name, given.get(name), profile.findings)
  // In the order of the file, as far as it names them.
  const names = [...given.keys(), ...Object.keys(READERS)].filter((name): name is keyof PluginArgs => name in READERS)
  const results = [...new Set(names)].map((name) => [name, read(name)] as const)
  const problem = results.map(([, result]) => result.problem).find((one) => one !== undefined)
  const args = Object.fromEntries(results.map(([name, result]) => [name, result.args])) as unknown as PluginArgs
  return { args, ...(problem !== undefined && { problem }) }
}

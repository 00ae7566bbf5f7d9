/** Profiles: the plugins that a scheduler name stands for, made and put in their places. */
import type { PluginPoints } from './cycle.ts'
import type { ProfileConfiguration } from './configuration/configuration.ts'
import { ADD, UPDATE_NODE_TAINT, type EventHint } from './events.ts'
import type { Plugin } from './framework.ts'
import { pluginNames, type PluginEntry } from './pluginPoints.ts'

export interface Profile {
  schedulerName: string
  points: PluginPoints
  percentageOfNodesToScore: number
  /** The hints of every plugin that may refuse a pod. */
  hints: ReadonlyMap<string, readonly EventHint[]>
}

/** Whom a new node may help, one that loses a taint may help as well: before, nobody was let look at it. */
function withTaints(events: readonly EventHint[]): readonly EventHint[] {
  const ofNodes = events.filter(({ resource }) => resource === 'Node').reduce((all, { actions }) => all | actions, 0)
  const isMissing = (ofNodes & ADD) !== 0 && (ofNodes & UPDATE_NODE_TAINT) === 0
  return isMissing ? [...events, { resource: 'Node', actions: UPDATE_NODE_TAINT }] : events
}

export function buildProfile(configuration: ProfileConfiguration, create: (name: string) => Plugin, defaultPercentage: number): Profile {
  const names = pluginNames(configuration.plugins, configuration.schedulerName)
  const made = new Map<string, Plugin>()
  const plugin = (name: string): Plugin => {
    let known = made.get(name)
    if (!known) made.set(name, (known = create(name)))
    return known
  }
  const all = (entries: readonly PluginEntry[]): Plugin[] => entries.map(({ name }) => plugin(name))
  const [queueSort] = all(names.queueSort)
  const points: PluginPoints = {
    queueSort: queueSort as Plugin,
    bind: all(names.bind),
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
    hints: new Map([...made].map(([name, { events }]) => [name, withTaints(events)])),
  }
}

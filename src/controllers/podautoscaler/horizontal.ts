/**
 * The horizontal pod autoscaler: follows the metrics of a target's pods, of other objects or of something outside the cluster
 * with the target's number of replicas (upstream's pkg/controller/podautoscaler). Every autoscaler is looked at once in a
 * period: its target's scale and its metrics are read, `plan.ts` decides, and the scale and the status are written.
 */
import { loadCatalog } from '../../api/catalog/load.ts'
import { apiservices } from '../../api/kinds/apiregistration/v1.ts'
import type { Scale } from '../../api/kinds/autoscaling/v1.ts'
import { horizontalpodautoscalers, type CrossVersionObjectReference, type HorizontalPodAutoscaler } from '../../api/kinds/autoscaling/v2.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import { keyOf, splitKey, type KubeObject, type Resource } from '../../api/resource.ts'
import { matchesLabels, parseLabelSelector, SelectorError, type LabelRequirement } from '../../api/selectors.ts'
import { isConflict, newStatusError } from '../../api/status.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { builtInResources, customResource, kindId, kindIdOf } from '../deletableResources.ts'
import { semanticallyEqual } from '../hash.ts'
import type { ScalingMemory } from './behavior.ts'
import {
  AUTOSCALER_DEFAULTS,
  failedRescale,
  metricsOf,
  needsMetrics,
  planAutoscaler,
  put,
  remembered,
  rescaled,
  type AutoscalerOptions,
  type Measured,
  type Observation,
  type Plan,
  type SelectorVerdict,
} from './plan.ts'
import { sampleReader } from './samples.ts'

/** How often a scale that somebody else writes at the same time is written anew. */
const SCALE_TRIES = 5
const NO_MEMORY: ScalingMemory = { recommendations: [], events: [] }

type Autoscaler = HorizontalPodAutoscaler
type ScaleObject = Scale & { metadata: KubeObject['metadata'] }

interface Look {
  spec: Autoscaler['spec']
  atMs: number
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error))

export function horizontalPodAutoscalerController(context: ControllerContext, given: Partial<AutoscalerOptions> = {}): Controller {
  const options = { ...AUTOSCALER_DEFAULTS, ...given }
  const { client, informers, events, clock, log } = context
  const informer = informers.for(horizontalpodautoscalers)
  const podInformer = informers.for(pods)
  const definitionInformer = informers.for(customresourcedefinitions)
  const memories = new Map<string, ScalingMemory>()
  /** Whose pods each autoscaler follows, once it has seen its target; two must not follow the same. */
  const selectors = new Map<string, readonly LabelRequirement[]>()
  const looks = new Map<string, Look>()
  let builtIn: Resource[] | undefined

  function resourcesOf({ apiVersion = '', kind }: CrossVersionObjectReference): Resource[] {
    const id = kindId(apiVersion, kind)
    builtIn ??= builtInResources()
    const custom = definitionInformer.list().flatMap((definition) => customResource(definition) ?? [])
    const found = [...builtIn, ...custom].filter((resource) => kindIdOf(resource) === id)
    if (found.length > 0) return found
    throw new Error(`no matches for kind ${JSON.stringify(kind)} in group ${JSON.stringify(id.slice(0, id.indexOf('/')))}`)
  }

  function hasScale({ group, version, resource }: Resource): boolean {
    const builtIn = loadCatalog()
      .resources(group, version)
      .find((candidate) => candidate.resource === resource)
    if (builtIn) return builtIn.subresources.some(({ name }) => name === 'scale')
    const definition = definitionInformer.get(`${resource}.${group}`)
    const served = definition?.spec.versions.find(({ name }) => name === version)
    return served?.subresources?.scale !== undefined
  }

  const readSample = sampleReader({
    client,
    apiServices: informers.for(apiservices),
    resourceOf: (reference) => resourcesOf(reference)[0] as Resource,
  })

  /** The first of the kind's resources that has a scale. */
  async function readScale(autoscaler: Autoscaler, signal: AbortSignal): Promise<{ resource: Resource; scale: ScaleObject }> {
    const { namespace } = autoscaler.metadata
    const { name } = autoscaler.spec.scaleTargetRef
    let firstError: unknown
    for (const resource of resourcesOf(autoscaler.spec.scaleTargetRef)) {
      try {
        if (!hasScale(resource)) throw newStatusError(404, 'NotFound', 'the server could not find the requested resource')
        return { resource, scale: (await client.get(resource, { namespace, name, subresource: 'scale', signal })) as ScaleObject }
      } catch (error) {
        signal.throwIfAborted()
        firstError ??= error
      }
    }
    throw firstError
  }

  function checkSelector(key: string, text: string): { verdict: SelectorVerdict; selected: Pod[] } {
    const refuse = (event: string, reason: string, message: string, condition = message) => ({
      verdict: { ok: false, event, reason, message, condition } as const,
      selected: [],
    })
    if (text === '')
      return refuse('SelectorRequired', 'InvalidSelector', 'selector is required', "the HPA target's scale is missing a selector")
    let requirements: readonly LabelRequirement[]
    try {
      requirements = parseLabelSelector(text)
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error
      const message = `couldn't convert selector into a corresponding internal selector object: ${error.message}`
      return refuse('InvalidSelector', 'InvalidSelector', message)
    }
    selectors.set(key, requirements)
    const { namespace } = splitKey(key)
    const selected = podInformer.list(namespace).filter((pod) => matchesLabels(requirements, pod.metadata.labels))
    const rivals = [...selectors]
      .map(([other, theirs]) => ({ ...splitKey(other), theirs }))
      .filter(({ namespace: where, theirs }) => where === namespace && selected.some((pod) => matchesLabels(theirs, pod.metadata.labels)))
    if (rivals.length < 2) return { verdict: { ok: true }, selected }
    const names = rivals
      .map(({ name }) => `${namespace}/${name}`)
      .sort()
      .join(' ')
    return refuse('AmbiguousSelector', 'AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${names}]`)
  }

  async function measure(autoscaler: Autoscaler, selector: string, signal: AbortSignal): Promise<Measured> {
    const { verdict, selected } = checkSelector(keyOf(autoscaler), selector)
    if (!verdict.ok) return { selector: verdict, pods: [], samples: [] }
    const request = { namespace: autoscaler.metadata.namespace, selector, signal }
    const samples = await Promise.all(metricsOf(autoscaler).map((metric) => readSample(metric, request)))
    return { selector: verdict, pods: selected, samples }
  }

  async function observe(autoscaler: Autoscaler, { spec, status }: ScaleObject, signal: AbortSignal): Promise<Observation> {
    const scale = { specReplicas: spec?.replicas ?? 0, statusReplicas: status?.replicas ?? 0, selector: status?.selector ?? '' }
    const measured = needsMetrics(autoscaler, scale.specReplicas) ? await measure(autoscaler, scale.selector, signal) : undefined
    return { autoscaler, scale, measured, memory: memories.get(keyOf(autoscaler)) ?? NO_MEMORY, nowMs: clock.now() }
  }

  async function scaleTo(resource: Resource, scale: ScaleObject, replicas: number, signal: AbortSignal): Promise<void> {
    const { namespace = '', name } = scale.metadata
    let newest = scale
    for (let tries = 1; ; tries++) {
      try {
        const next: ScaleObject = { ...newest, spec: { ...newest.spec, replicas } }
        await client.update(resource, next, { subresource: 'scale', signal })
        return
      } catch (error) {
        if (!isConflict(error) || tries === SCALE_TRIES) throw error
        newest = (await client.get(resource, { namespace, name, subresource: 'scale', signal })) as ScaleObject
      }
    }
  }

  async function apply(plan: Plan, observation: Observation, target: { resource: Resource; scale: ScaleObject }, signal: AbortSignal) {
    const { autoscaler, nowMs } = observation
    const key = keyOf(autoscaler)
    for (const { reason, message } of plan.warnings) events.record(autoscaler, { type: 'Warning', reason, message })
    if (!plan.rescale) {
      memories.set(key, remembered(observation, plan, false))
      return plan.status
    }
    const { replicas, reason } = plan.rescale
    try {
      await scaleTo(target.resource, target.scale, replicas, signal)
    } catch (error) {
      signal.throwIfAborted()
      const cause = messageOf(error)
      const message = `New size: ${replicas}; reason: ${reason}; error: ${cause}`
      events.record(autoscaler, { type: 'Warning', reason: 'FailedRescale', message })
      memories.set(key, remembered(observation, plan, false))
      return failedRescale(autoscaler, plan, cause, nowMs)
    }
    memories.set(key, remembered(observation, plan, true))
    events.record(autoscaler, { type: 'Normal', reason: 'SuccessfulRescale', message: `New size: ${replicas}; reason: ${reason}` })
    return rescaled(plan, replicas, nowMs)
  }

  async function look(autoscaler: Autoscaler, signal: AbortSignal): Promise<Autoscaler['status']> {
    let target: { resource: Resource; scale: ScaleObject }
    try {
      target = await readScale(autoscaler, signal)
    } catch (error) {
      signal.throwIfAborted()
      const cause = messageOf(error)
      events.record(autoscaler, { type: 'Warning', reason: 'FailedGetScale', message: cause })
      const message = `the HPA controller was unable to get the target's current scale: ${cause}`
      const condition = { type: 'AbleToScale', status: 'False', reason: 'FailedGetScale', message }
      const conditions = [...put(autoscaler.status?.conditions ?? [], condition, clock.now())]
      return { desiredReplicas: 0, ...autoscaler.status, conditions }
    }
    const observation = await observe(autoscaler, target.scale, signal)
    return apply(planAutoscaler(observation, options), observation, target, signal)
  }

  function forget(key: string): void {
    for (const known of [memories, selectors, looks]) known.delete(key)
  }

  return {
    name: 'horizontal-pod-autoscaler-controller',
    workers: options.concurrentSyncs,
    watches: [
      watch(horizontalpodautoscalers, (autoscaler) => [keyOf(autoscaler)]),
      watch(pods, () => []),
      watch(customresourcedefinitions, () => []),
      watch(apiservices, () => []),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const autoscaler = informer.get(key)
      if (!autoscaler) return forget(key)
      // A change of the status, its own ones among them, is no reason to look again before the period is over.
      const last = looks.get(key)
      const waitMs = last && semanticallyEqual(last.spec, autoscaler.spec) ? last.atMs + options.syncPeriodMs - clock.now() : 0
      if (waitMs > 0) return { requeueAfterMs: waitMs }
      looks.set(key, { spec: autoscaler.spec, atMs: clock.now() })
      try {
        const status = await look(autoscaler, signal)
        if (status && !semanticallyEqual(status, autoscaler.status))
          await client.update(horizontalpodautoscalers, { ...autoscaler, status }, { subresource: 'status', signal })
      } catch (error) {
        signal.throwIfAborted()
        // Metrics are read once in a period, whatever becomes of it.
        if (!isConflict(error)) events.record(autoscaler, { type: 'Warning', reason: 'FailedUpdateStatus', message: messageOf(error) })
        log.debug('an autoscaler could not be brought up to date', { key, cause: messageOf(error) })
      }
      return { requeueAfterMs: options.syncPeriodMs }
    },
  }
}

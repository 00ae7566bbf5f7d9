/**
 * The horizontal pod autoscaler: follows the resource metrics of a target's pods with its number of replicas
 * (upstream's pkg/controller/podautoscaler). Metrics come from metrics.k8s.io, if something serves it.
 */
import { deployments, replicasets, statefulsets } from '../../api/kinds/apps/v1.ts'
import type { Scale } from '../../api/kinds/autoscaling/v1.ts'
import {
  horizontalpodautoscalers,
  type HorizontalPodAutoscaler,
  type HorizontalPodAutoscalerCondition,
  type HorizontalPodAutoscalerStatus,
} from '../../api/kinds/autoscaling/v2.ts'
import { customresourcedefinitions } from '../../api/kinds/apiextensions/v1.ts'
import { pods, replicationcontrollers } from '../../api/kinds/core/v1.ts'
import { timestamp, withCondition } from '../../api/meta.ts'
import { keyOf, type KubeObject, type Resource } from '../../api/resource.ts'
import { matchesLabels, parseLabelSelector } from '../../api/selectors.ts'
import { watch, type Controller, type ControllerContext, type Outcome } from '../../reconcile/controller.ts'
import { customResource, kindId, kindIdOf } from '../deletableResources.ts'
import { semanticallyEqual } from '../hash.ts'
import { pace, type ScalingMemory } from './behavior.ts'
import { MetricError, metricsOf, propose, type PodMetrics, type Proposal } from './replicaCalculator.ts'

const SYNC_PERIOD_MS = 15_000
const POD_METRICS: Resource<KubeObject & PodMetrics> = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
}
const SCALABLE: readonly Resource[] = [deployments, replicasets, statefulsets, replicationcontrollers]

type Autoscaler = HorizontalPodAutoscaler
type ScaleObject = Scale & { metadata: KubeObject['metadata'] }

interface Verdict {
  status: HorizontalPodAutoscalerStatus
  /** Undefined: the target stays as it is. */
  scaleTo?: number
  message?: string
}

export function horizontalPodAutoscalerController(context: ControllerContext): Controller {
  const { client, informers, events, clock } = context
  const informer = informers.for(horizontalpodautoscalers)
  const podInformer = informers.for(pods)
  const definitionInformer = informers.for(customresourcedefinitions)
  const memories = new Map<string, ScalingMemory>()

  function targetResource({ spec }: Autoscaler): Resource | undefined {
    const { apiVersion = '', kind } = spec.scaleTargetRef
    const id = kindId(apiVersion, kind)
    const custom = (): Resource[] => definitionInformer.list().flatMap((definition) => customResource(definition) ?? [])
    return SCALABLE.find((resource) => kindIdOf(resource) === id) ?? custom().find((resource) => kindIdOf(resource) === id)
  }

  async function proposals(autoscaler: Autoscaler, scale: Scale, signal: AbortSignal): Promise<Proposal[]> {
    const { namespace } = autoscaler.metadata
    const selector = scale.status?.selector ?? ''
    if (!selector) throw new MetricError('InvalidSelector', "the HPA target's scale is missing a selector")
    const requirements = parseLabelSelector(selector)
    const selected = podInformer.list(namespace).filter((pod) => matchesLabels(requirements, pod.metadata.labels))
    let metrics: readonly PodMetrics[]
    try {
      metrics = (await client.list(POD_METRICS, { namespace, labelSelector: selector, signal })).items
    } catch (error) {
      const cause = error instanceof Error ? error.message : String(error)
      throw new MetricError(
        'FailedGetResourceMetric',
        `unable to get resource metrics: unable to fetch metrics from resource metrics API: ${cause}`,
      )
    }
    const input = { pods: selected, metrics, currentReplicas: scale.spec?.replicas ?? 0, nowMs: clock.now() }
    const results = metricsOf(autoscaler).map((metric) => {
      try {
        return propose(metric, input)
      } catch (error) {
        if (!(error instanceof MetricError)) throw error
        return error
      }
    })
    const good = results.filter((result): result is Proposal => !(result instanceof MetricError))
    const failed = results.find((result) => result instanceof MetricError)
    // With part of the metrics unknown the rest may raise the number, never lower it.
    const mayAct = good.some(({ replicas }) => replicas > input.currentReplicas)
    if (failed && !mayAct) throw failed
    return good
  }

  function put(
    conditions: readonly HorizontalPodAutoscalerCondition[],
    type: string,
    status: 'True' | 'False',
    reason: string,
    message: string,
  ): readonly HorizontalPodAutoscalerCondition[] {
    return withCondition(conditions, { type, status, reason, message }, timestamp(clock.now()))
  }

  async function decide(autoscaler: Autoscaler, scale: Scale, key: string, signal: AbortSignal): Promise<Verdict> {
    const { spec, metadata } = autoscaler
    const current = scale.spec?.replicas ?? 0
    let conditions = put(
      autoscaler.status?.conditions ?? [],
      'AbleToScale',
      'True',
      'SucceededGetScale',
      "the HPA controller was able to get the target's current scale",
    )
    const base = {
      ...autoscaler.status,
      currentReplicas: scale.status?.replicas ?? current,
      desiredReplicas: current,
      ...(metadata.generation && { observedGeneration: metadata.generation }),
    }
    const min = spec.minReplicas ?? 1
    if (current === 0 && min !== 0) {
      conditions = put(
        conditions,
        'ScalingActive',
        'False',
        'ScalingDisabled',
        'scaling is disabled since the replica count of the target is zero',
      )
      return { status: { ...base, conditions: [...conditions] } }
    }
    if (current > spec.maxReplicas)
      return {
        status: { ...base, desiredReplicas: spec.maxReplicas, conditions: [...conditions] },
        scaleTo: spec.maxReplicas,
        message: 'Current number of replicas above Spec.MaxReplicas',
      }
    if (current < min)
      return {
        status: { ...base, desiredReplicas: min, conditions: [...conditions] },
        scaleTo: min,
        message: 'Current number of replicas below Spec.MinReplicas',
      }
    try {
      const found = await proposals(autoscaler, scale, signal)
      const wanted = Math.max(...found.map(({ replicas }) => replicas))
      const paced = pace(autoscaler, current, wanted, memories.get(key) ?? { recommendations: [], events: [] }, clock.now())
      memories.set(key, paced.memory)
      conditions = put(
        conditions,
        'ScalingActive',
        'True',
        'ValidMetricFound',
        'the HPA was able to successfully calculate a replica count',
      )
      conditions = put(
        conditions,
        'AbleToScale',
        'True',
        paced.stabilization,
        paced.stabilization === 'ReadyForNewScale'
          ? 'recommended size matches current size'
          : 'recent recommendations were held to within the stabilization window',
      )
      const limited = paced.limitedBy !== 'DesiredWithinRange'
      conditions = put(
        conditions,
        'ScalingLimited',
        limited ? 'True' : 'False',
        paced.limitedBy,
        limited ? 'the desired replica count was limited' : 'the desired count is within the acceptable range',
      )
      const status = {
        ...base,
        desiredReplicas: paced.replicas,
        currentMetrics: found.map((proposal) => proposal.status),
        conditions: [...conditions],
      }
      const message = paced.replicas > current ? 'resource utilization above target' : 'All metrics below target'
      return paced.replicas === current ? { status } : { status, scaleTo: paced.replicas, message }
    } catch (error) {
      if (!(error instanceof MetricError)) throw error
      const message = `the HPA was unable to compute the replica count: ${error.message}`
      events.record(autoscaler, { type: 'Warning', reason: error.reason, message: error.message })
      conditions = put(conditions, 'ScalingActive', 'False', error.reason, message)
      return { status: { ...base, conditions: [...conditions] } }
    }
  }

  function remember(key: string, change: number): void {
    const memory = memories.get(key) ?? { recommendations: [], events: [] }
    memories.set(key, { ...memory, events: [...memory.events, { change, atMs: clock.now() }] })
  }

  async function scaleTo(
    autoscaler: Autoscaler,
    resource: Resource,
    scale: ScaleObject,
    replicas: number,
    signal: AbortSignal,
  ): Promise<void> {
    const next = { ...scale, spec: { ...scale.spec, replicas } }
    await client.update(resource, next, { subresource: 'scale', signal })
    remember(keyOf(autoscaler), replicas - (scale.spec?.replicas ?? 0))
  }

  return {
    name: 'horizontal-pod-autoscaler-controller',
    watches: [
      watch(horizontalpodautoscalers, (autoscaler) => [keyOf(autoscaler)]),
      watch(pods, () => []),
      watch(customresourcedefinitions, () => []),
    ],
    async reconcile(key, signal): Promise<Outcome> {
      const autoscaler = informer.get(key)
      if (!autoscaler) {
        memories.delete(key)
        return
      }
      const resource = targetResource(autoscaler)
      const { namespace } = autoscaler.metadata
      const { name } = autoscaler.spec.scaleTargetRef
      let verdict: Verdict
      try {
        if (!resource) throw new Error(`no matches for kind "${autoscaler.spec.scaleTargetRef.kind}"`)
        const scale = (await client.get(resource, { namespace, name, subresource: 'scale', signal })) as ScaleObject
        verdict = await decide(autoscaler, scale, key, signal)
        if (verdict.scaleTo !== undefined) {
          await scaleTo(autoscaler, resource, scale, verdict.scaleTo, signal)
          events.record(autoscaler, {
            type: 'Normal',
            reason: 'SuccessfulRescale',
            message: `New size: ${verdict.scaleTo}; reason: ${verdict.message}`,
          })
          verdict.status = { ...verdict.status, lastScaleTime: timestamp(clock.now()) }
        }
      } catch (error) {
        signal.throwIfAborted()
        const message = `the HPA controller was unable to get the target's current scale: ${error instanceof Error ? error.message : String(error)}`
        events.record(autoscaler, { type: 'Warning', reason: 'FailedGetScale', message })
        const conditions = put(autoscaler.status?.conditions ?? [], 'AbleToScale', 'False', 'FailedGetScale', message)
        verdict = { status: { desiredReplicas: 0, ...autoscaler.status, conditions: [...conditions] } }
      }
      if (!semanticallyEqual(verdict.status, autoscaler.status)) {
        await client.update(horizontalpodautoscalers, { ...autoscaler, status: verdict.status }, { subresource: 'status', signal })
      }
      return { requeueAfterMs: SYNC_PERIOD_MS }
    },
  }
}

/** Metrics of an autoscaler in v2's shape and in v1's old one, which lives on in annotations. */
import type * as v2 from '../kinds/autoscaling/v2.ts'
import type { LabelSelector } from '../kinds/meta/v1.ts'
import { quantitySign } from '../quantity.ts'

export interface V1Metric {
  type: string
  object?: {
    target: v2.CrossVersionObjectReference
    metricName: string
    targetValue: string
    selector?: LabelSelector
    averageValue?: string
  }
  pods?: { metricName: string; targetAverageValue: string; selector?: LabelSelector }
  resource?: { name: string; targetAverageUtilization?: number; targetAverageValue?: string }
  containerResource?: { name: string; targetAverageUtilization?: number; targetAverageValue?: string; container: string }
  external?: { metricName: string; metricSelector?: LabelSelector; targetValue?: string; targetAverageValue?: string }
}

export interface V1MetricStatus {
  type: string
  object?: {
    target: v2.CrossVersionObjectReference
    metricName: string
    currentValue: string
    selector?: LabelSelector
    averageValue?: string
  }
  pods?: { metricName: string; currentAverageValue: string; selector?: LabelSelector }
  resource?: { name: string; currentAverageUtilization?: number; currentAverageValue: string }
  containerResource?: { name: string; currentAverageUtilization?: number; currentAverageValue: string; container: string }
  external?: { metricName: string; metricSelector?: LabelSelector; currentValue: string; currentAverageValue?: string }
}

const named = (name: string, selector: LabelSelector | undefined): v2.MetricIdentifier => ({ name, ...(selector && { selector }) })

/** Members that are undefined fall away when it is written as JSON; their order is Go's. */
export function metricToV1({ type, object, pods, resource, containerResource, external }: v2.MetricSpec): V1Metric {
  return JSON.parse(
    JSON.stringify({
      type,
      object: object && {
        target: object.describedObject,
        metricName: object.metric.name,
        targetValue: object.target.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.target.averageValue,
      },
      pods: pods && { metricName: pods.metric.name, targetAverageValue: pods.target.averageValue ?? '0', selector: pods.metric.selector },
      resource: resource && {
        name: resource.name,
        targetAverageUtilization: resource.target.averageUtilization,
        targetAverageValue: resource.target.averageValue,
      },
      containerResource: containerResource && {
        name: containerResource.name,
        targetAverageUtilization: containerResource.target.averageUtilization,
        targetAverageValue: containerResource.target.averageValue,
        container: containerResource.container,
      },
      external: external && {
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        targetValue: external.target.value,
        targetAverageValue: external.target.averageValue,
      },
    }),
  ) as V1Metric
}

function target(value: string | undefined, averageValue: string | undefined, averageUtilization?: number): v2.MetricTarget {
  const type =
    averageUtilization !== undefined ? 'Utilization' : value !== undefined && averageValue === undefined ? 'Value' : 'AverageValue'
  return {
    type,
    ...(value !== undefined && { value }),
    ...(averageValue !== undefined && { averageValue }),
    ...(averageUtilization !== undefined && { averageUtilization }),
  }
}

export function metricToV2({ type, object, pods, resource, containerResource, external }: V1Metric): v2.MetricSpec {
  const spec: v2.MetricSpec = { type }
  if (object) {
    const value = object.averageValue === undefined || quantitySign(object.targetValue) !== 0 ? object.targetValue : undefined
    const goal = target(value, object.averageValue)
    spec.object = { describedObject: object.target, target: goal, metric: named(object.metricName, object.selector) }
  }
  if (pods) spec.pods = { metric: named(pods.metricName, pods.selector), target: target(undefined, pods.targetAverageValue) }
  if (resource)
    spec.resource = { name: resource.name, target: target(undefined, resource.targetAverageValue, resource.targetAverageUtilization) }
  if (containerResource) {
    const { name, container, targetAverageValue, targetAverageUtilization } = containerResource
    spec.containerResource = { name, target: target(undefined, targetAverageValue, targetAverageUtilization), container }
  }
  if (external) {
    const goal = target(external.targetValue, external.targetAverageValue)
    const metric = named(external.metricName, external.metricSelector)
    spec.external = { metric, target: { ...goal, type: external.targetValue === undefined ? 'AverageValue' : 'Value' } }
  }
  return spec
}

export function currentMetricToV1({ type, object, pods, resource, containerResource, external }: v2.MetricStatus): V1MetricStatus {
  return JSON.parse(
    JSON.stringify({
      type,
      object: object && {
        target: object.describedObject,
        metricName: object.metric.name,
        currentValue: object.current.value ?? '0',
        selector: object.metric.selector,
        averageValue: object.current.averageValue,
      },
      pods: pods && { metricName: pods.metric.name, currentAverageValue: pods.current.averageValue ?? '0', selector: pods.metric.selector },
      resource: resource && {
        name: resource.name,
        currentAverageUtilization: resource.current.averageUtilization,
        currentAverageValue: resource.current.averageValue ?? '0',
      },
      containerResource: containerResource && {
        name: containerResource.name,
        currentAverageUtilization: containerResource.current.averageUtilization,
        currentAverageValue: containerResource.current.averageValue ?? '0',
        container: containerResource.container,
      },
      external: external && {
        metricName: external.metric.name,
        metricSelector: external.metric.selector,
        currentValue: external.current.value ?? '0',
        currentAverageValue: external.current.averageValue,
      },
    }),
  ) as V1MetricStatus
}

const current = (value: string | undefined, averageValue: string | undefined, averageUtilization?: number): v2.MetricValueStatus => ({
  ...(value !== undefined && { value }),
  ...(averageValue !== undefined && { averageValue }),
  ...(averageUtilization !== undefined && { averageUtilization }),
})

export function currentMetricToV2({ type, object, pods, resource, containerResource, external }: V1MetricStatus): v2.MetricStatus {
  return {
    type,
    ...(object && {
      object: {
        metric: named(object.metricName, object.selector),
        current: current(object.currentValue, object.averageValue),
        describedObject: object.target,
      },
    }),
    ...(pods && { pods: { metric: named(pods.metricName, pods.selector), current: current(undefined, pods.currentAverageValue) } }),
    ...(resource && {
      resource: { name: resource.name, current: current(undefined, resource.currentAverageValue, resource.currentAverageUtilization) },
    }),
    ...(containerResource && {
      containerResource: {
        name: containerResource.name,
        container: containerResource.container,
        current: current(undefined, containerResource.currentAverageValue, containerResource.currentAverageUtilization),
      },
    }),
    ...(external && {
      external: {
        metric: named(external.metricName, external.metricSelector),
        current: current(external.currentValue, external.currentAverageValue),
      },
    }),
  }
}

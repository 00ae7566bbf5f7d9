/**
 * What an autoscaler's metrics say now: read from metrics.k8s.io, custom.metrics.k8s.io and external.metrics.k8s.io, by
 * whatever API servers answer for them (upstream's metrics.RESTMetricsClient).
 */
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { CrossVersionObjectReference, MetricSpec } from '../../api/kinds/autoscaling/v2.ts'
import type { LabelSelector } from '../../api/kinds/meta/v1.ts'
import { parseDuration } from '../../api/codec/goTime.ts'
import { quantityMilliValue } from '../../api/quantity.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'
import { formatLabelSelector } from '../../api/selectors.ts'
import { isNotFound } from '../../api/status.ts'
import type { Client, Subresource } from '../../client/client.ts'
import type { Informer } from '../../client/informer.ts'
import { MetricError, type PodMetric, type PodMetrics } from './replicaCalculator.ts'

/** What came of asking for one metric: values by pod, one value (the sum of all), or why there is none. */
export type Sample = { pods: PodMetrics } | { value: number } | { error: string }

interface ResourceMetrics extends KubeObject {
  timestamp: string
  window: string
  containers: readonly { name: string; usage: Readonly<Record<string, string>> }[]
}

interface MetricValueList {
  items: readonly {
    describedObject: { name: string }
    timestamp: string
    windowSeconds?: number
    /** What v1beta1 calls windowSeconds. */
    window?: number
    value: string
  }[]
}

const POD_METRICS: Resource<ResourceMetrics> = {
  group: 'metrics.k8s.io',
  version: 'v1beta1',
  resource: 'pods',
  kind: 'PodMetrics',
  namespaced: true,
}
const FROM_CUSTOM = 'unable to fetch metrics from custom metrics API'
const CUSTOM_GROUP = 'custom.metrics.k8s.io'
/** The better one first. */
const CUSTOM_VERSIONS = ['v1beta2', 'v1beta1']
/** Of a custom metric that names none. */
const DEFAULT_WINDOW_MS = 60_000

/** Undefined where a container says nothing of the resource. */
function usageOf({ containers }: ResourceMetrics, resource: string, container: string | undefined): number | undefined {
  const counted = containers.filter(({ name }) => container === undefined || name === container)
  let total = 0
  for (const { usage } of counted) {
    const amount = usage[resource]
    if (amount === undefined) return undefined
    total += quantityMilliValue(amount)
  }
  return counted.length === 0 ? undefined : total
}

export interface SamplesOptions {
  client: Client
  apiServices: Informer<APIService>
  /** The resource of a kind, as `ingresses.networking.k8s.io`; throws where there is none. */
  resourceOf(reference: CrossVersionObjectReference): Resource
}

export interface SampleRequest {
  namespace: string
  /** Of the target's pods. */
  selector: string
  signal: AbortSignal
}

/** Under which path a custom metric is: that of an object, and a metric in place of a subresource. */
interface MetricPlace {
  resource: string
  name: string
  subresource?: string
}

export type ReadSample = (metric: MetricSpec, request: SampleRequest) => Promise<Sample>

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** An API that nobody serves is told as clients tell it, not as an object that is missing. */
function whyNot(error: unknown, what: string): string {
  const isUnserved = isNotFound(error) && messageOf(error).endsWith(' "" not found')
  return isUnserved ? `the server could not find the requested resource (get ${what})` : messageOf(error)
}

/** Everything a selector may say, as the metric's servers take it; '' for all. */
function selectorText(selector: LabelSelector | undefined): string {
  return selector ? formatLabelSelector(selector) : ''
}

async function resourceSample(
  { client }: SamplesOptions,
  resource: string,
  container: string | undefined,
  request: SampleRequest,
): Promise<Sample> {
  const { namespace, selector, signal } = request
  const from = 'unable to fetch metrics from resource metrics API'
  const { items } = await client.list(POD_METRICS, { namespace, labelSelector: selector, signal }).catch((cause: unknown) => {
    throw new MetricError(`${from}: ${whyNot(cause, 'pods.metrics.k8s.io')}`, { cause })
  })
  if (items.length === 0) throw new MetricError('no metrics returned from resource metrics API')
  const found = new Map<string, PodMetric>()
  for (const item of items) {
    const value = usageOf(item, resource, container)
    if (value === undefined) continue
    found.set(item.metadata.name, {
      value,
      timestampMs: Date.parse(item.timestamp) || 0,
      windowMs: Number(parseDuration(item.window || '0s')) / 1e6,
    })
  }
  return { pods: found }
}

function customVersion({ apiServices }: SamplesOptions): string {
  const served = apiServices.list().filter(({ spec }) => spec.group === CUSTOM_GROUP)
  if (served.length === 0) throw new Error(`no custom metrics API (${CUSTOM_GROUP}) registered`)
  const version = CUSTOM_VERSIONS.find((candidate) => served.some(({ spec }) => spec.version === candidate))
  if (version === undefined) throw new Error('no known available metric versions found')
  return version
}

async function customMetric(
  options: SamplesOptions,
  { resource, name, subresource }: MetricPlace,
  { labelSelector, metricSelector }: { labelSelector?: string; metricSelector: string },
  { namespace, signal }: SampleRequest,
): Promise<MetricValueList> {
  try {
    const selectors = { ...(labelSelector && { labelSelector }), ...(metricSelector && { metricLabelSelector: metricSelector }) }
    return (await options.client.transport.request({
      verb: 'get',
      resource: { group: CUSTOM_GROUP, version: customVersion(options), resource, kind: 'MetricValueList', namespaced: true },
      namespace,
      name,
      // A metric stands where other resources have their subresources.
      ...(subresource && { subresource: encodeURIComponent(subresource) as Subresource }),
      options: selectors,
      signal,
    })) as MetricValueList
  } catch (cause) {
    throw new MetricError(`${FROM_CUSTOM}: ${messageOf(cause)}`, { cause })
  }
}

async function podsSample(options: SamplesOptions, name: string, metricSelector: string, request: SampleRequest): Promise<Sample> {
  const { items } = await customMetric(
    options,
    { resource: 'pods', name: '*', subresource: name },
    { labelSelector: request.selector, metricSelector },
    request,
  )
  if (items.length === 0) throw new MetricError('no metrics returned from custom metrics API')
  const found = new Map<string, PodMetric>()
  for (const { describedObject, value, timestamp, windowSeconds, window } of items) {
    const seconds = windowSeconds ?? window
    const windowMs = seconds === undefined ? DEFAULT_WINDOW_MS : seconds * 1_000
    found.set(describedObject.name, { value: quantityMilliValue(value), timestampMs: Date.parse(timestamp) || 0, windowMs })
  }
  return { pods: found }
}

function placeOf({ resourceOf }: SamplesOptions, name: string, described: CrossVersionObjectReference): MetricPlace {
  if (described.kind === 'Namespace' && (described.apiVersion ?? 'v1') === 'v1') return { resource: 'metrics', name }
  try {
    const { group, resource } = resourceOf(described)
    return { resource: group ? `${resource}.${group}` : resource, name: described.name, subresource: name }
  } catch (cause) {
    const group = described.apiVersion?.includes('/') ? `.${described.apiVersion.split('/')[0]}` : ''
    throw new MetricError(`${FROM_CUSTOM}: unable to map kind ${described.kind}${group} to resource: ${messageOf(cause)}`, { cause })
  }
}

async function objectSample(
  options: SamplesOptions,
  name: string,
  metricSelector: string,
  described: CrossVersionObjectReference,
  request: SampleRequest,
): Promise<Sample> {
  const { items } = await customMetric(options, placeOf(options, name, described), { metricSelector }, request)
  const [only] = items
  if (!only || items.length > 1)
    throw new MetricError(`${FROM_CUSTOM}: the custom metrics API server returned ${items.length} results when we asked for exactly one`)
  return { value: quantityMilliValue(only.value) }
}

async function externalSample(
  { client }: SamplesOptions,
  name: string,
  metricSelector: string,
  { namespace, signal }: SampleRequest,
): Promise<Sample> {
  const resource: Resource<KubeObject & { value: string }> = {
    group: 'external.metrics.k8s.io',
    version: 'v1beta1',
    resource: encodeURIComponent(name),
    kind: 'ExternalMetricValue',
    namespaced: true,
  }
  const options = { namespace, signal, ...(metricSelector && { labelSelector: metricSelector }) }
  const { items } = await client.list(resource, options).catch((cause: unknown) => {
    const why = whyNot(cause, `${name}.external.metrics.k8s.io`)
    throw new MetricError(`unable to fetch metrics from external metrics API: ${why}`, { cause })
  })
  if (items.length === 0) throw new MetricError('no metrics returned from external metrics API')
  return { value: items.reduce((total, item) => total + quantityMilliValue(item.value), 0) }
}

function read(options: SamplesOptions, metric: MetricSpec, request: SampleRequest): Promise<Sample> {
  const { resource, containerResource, pods, object, external } = metric
  if (resource) return resourceSample(options, resource.name, undefined, request)
  if (containerResource) return resourceSample(options, containerResource.name, containerResource.container, request)
  if (pods) return podsSample(options, pods.metric.name, selectorText(pods.metric.selector), request)
  if (object) return objectSample(options, object.metric.name, selectorText(object.metric.selector), object.describedObject, request)
  if (external) return externalSample(options, external.metric.name, selectorText(external.metric.selector), request)
  throw new MetricError(`unknown metric source type ${JSON.stringify(metric.type)}`)
}

export function sampleReader(options: SamplesOptions): ReadSample {
  return async (metric, request) => {
    try {
      return await read(options, metric, request)
    } catch (error) {
      request.signal.throwIfAborted()
      return { error: messageOf(error) }
    }
  }
}

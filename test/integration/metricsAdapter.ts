/** A metrics adapter for tests: serves custom and external metrics as other API servers do, with the values that a test sets. */
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'

export const CUSTOM = { group: 'custom.metrics.k8s.io', version: 'v1beta2' }
export const EXTERNAL = { group: 'external.metrics.k8s.io', version: 'v1beta1' }

export interface MetricsAdapter {
  address: string
  port: number
  /** Of the metric `qps`, by pod. */
  pods: Record<string, string>
  /** By `services/NAME/METRIC`. */
  objects: Record<string, string>
  /** By metric. */
  external: Record<string, string>
  /** Paths and queries that were asked for. */
  asked: string[]
  close(): Promise<void>
}

const timestamp = '2026-01-01T00:00:00Z'

export async function startMetricsAdapter(options: { cert: string; key: string; address: string }): Promise<MetricsAdapter> {
  const server = createServer({ cert: options.cert, key: options.key })
  const adapter: MetricsAdapter = {
    address: options.address,
    port: 0,
    pods: {},
    objects: {},
    external: {},
    asked: [],
    close: async () => {
      server.closeAllConnections()
      await new Promise<void>((resolve) => server.close(() => resolve()))
    },
  }
  const metric = (kind: string, name: string, value: string): object => ({
    describedObject: { kind, name, namespace: 'default' },
    metric: { name: 'm' },
    timestamp,
    windowSeconds: 30,
    value,
  })

  function answer(path: string): object | undefined {
    const [, group = '', version = '', rest = ''] = /^\/apis\/([^/]+)\/([^/]+)(?:\/namespaces\/default\/(.+))?$/.exec(path) ?? []
    const apiVersion = `${group}/${version}`
    if (!rest) return { kind: 'APIResourceList', apiVersion: 'v1', groupVersion: apiVersion, resources: [] }
    if (group === EXTERNAL.group) {
      const value = adapter.external[rest]
      return value === undefined
        ? undefined
        : { kind: 'ExternalMetricValueList', apiVersion, metadata: {}, items: [{ metricName: rest, timestamp, value }] }
    }
    const list = (items: object[]): object => ({ kind: 'MetricValueList', apiVersion, metadata: {}, items })
    if (rest === 'pods/*/qps') return list(Object.entries(adapter.pods).map(([name, value]) => metric('Pod', name, value)))
    const value = adapter.objects[rest]
    return value === undefined ? undefined : list([metric('Service', rest.split('/')[1] ?? '', value)])
  }

  server.on('request', (request, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'https://adapter')
    const body = answer(decodeURIComponent(pathname))
    if (pathname.includes('/namespaces/')) adapter.asked.push(decodeURIComponent(pathname + search))
    response.writeHead(body ? 200 : 404, { 'content-type': 'application/json' })
    response.end(
      JSON.stringify(
        body ?? { kind: 'Status', apiVersion: 'v1', status: 'Failure', code: 404, reason: 'NotFound', message: 'no such metric' },
      ),
    )
  })
  await new Promise<void>((resolve) => server.listen(0, options.address, resolve))
  adapter.port = (server.address() as AddressInfo).port
  return adapter
}

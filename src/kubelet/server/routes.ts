/** The paths of the kubelet's server. Pure. */

interface PodPath {
  namespace: string
  podName: string
  podUid?: string
}

export interface LogRoute extends PodPath {
  type: 'containerLogs'
  container: string
}

export interface CommandRoute extends PodPath {
  type: 'exec' | 'attach'
  container: string
}

export interface PortForwardRoute extends PodPath {
  type: 'portForward'
}

export interface CheckpointRoute extends PodPath {
  type: 'checkpoint'
  container: string
}

interface FixedRoute {
  type:
    | 'healthz'
    | 'pods'
    | 'runningPods'
    | 'configz'
    | 'statsSummary'
    | 'metrics'
    | 'metricsResource'
    | 'metricsCadvisor'
    | 'metricsProbes'
}

/** Files of the node's log directory; `path` is what follows /logs/, not decoded. */
export interface NodeLogsRoute {
  type: 'logs'
  path: string
}

export type Route = FixedRoute | NodeLogsRoute | CheckpointRoute | LogRoute | CommandRoute | PortForwardRoute

const FIXED: Readonly<Record<string, Route>> = {
  '/healthz': { type: 'healthz' },
  '/pods': { type: 'pods' },
  '/runningpods': { type: 'runningPods' },
  '/configz': { type: 'configz' },
  '/metrics': { type: 'metrics' },
  '/metrics/cadvisor': { type: 'metricsCadvisor' },
  '/metrics/probes': { type: 'metricsProbes' },
  '/stats/summary': { type: 'statsSummary' },
  '/metrics/resource': { type: 'metricsResource' },
}

export function parseRoute(pathname: string): Route | undefined {
  const fixed = FIXED[pathname.length > 1 ? pathname.replace(/\/$/, '') : pathname]
  if (fixed) return fixed
  if (pathname === '/logs' || pathname.startsWith('/logs/')) return { type: 'logs', path: pathname.slice('/logs/'.length) }
  const [, kind, ...parts] = pathname.split('/')
  if (parts.some((part) => part === '')) return undefined
  const [namespace, podName, third, fourth] = parts
  if (namespace === undefined || podName === undefined) return undefined
  switch (kind) {
    case 'checkpoint':
    case 'containerLogs':
      return third !== undefined && parts.length === 3 ? { type: kind, namespace, podName, container: third } : undefined
    case 'exec':
    case 'attach':
      if (third !== undefined && parts.length === 3) return { type: kind, namespace, podName, container: third }
      if (third !== undefined && fourth !== undefined && parts.length === 4)
        return { type: kind, namespace, podName, podUid: third, container: fourth }
      return undefined
    case 'portForward':
      if (parts.length === 2) return { type: kind, namespace, podName }
      return parts.length === 3 ? { type: kind, namespace, podName, podUid: third } : undefined
    default:
      return undefined
  }
}

/** What of the Node a request is authorized for, first to last: one that is allowed is enough. */
export function subresourcesOf(route: Route): string[] {
  switch (route.type) {
    case 'statsSummary':
      return ['stats']
    case 'metrics':
    case 'metricsResource':
    case 'metricsCadvisor':
    case 'metricsProbes':
      return ['metrics']
    case 'runningPods':
      return ['pods', 'proxy']
    case 'checkpoint':
      return ['checkpoint']
    case 'logs':
      return ['log']
    case 'healthz':
    case 'configz':
    case 'pods':
      return [route.type, 'proxy']
    default:
      return ['proxy']
  }
}

const VERBS: Readonly<Record<string, string>> = { POST: 'create', GET: 'get', HEAD: 'get', PUT: 'update', PATCH: 'patch', DELETE: 'delete' }

export function verbOf(method: string | undefined): string {
  return VERBS[method ?? ''] ?? ''
}

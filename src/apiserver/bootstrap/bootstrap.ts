/**
 * What a cluster cannot be without, brought about through the registry at every start: system namespaces, the bootstrap
 * RBAC policy, priority classes, flow control's defaults. What is there is left alone where a
 * person may have changed it (upstream's autoupdate annotations); writes go out together, so that they share their fsyncs.
 */
import type { Catalog, CatalogResource } from '../../api/catalog/catalog.ts'
import type { APIService } from '../../api/kinds/apiregistration/v1.ts'
import type { ConfigMap, Namespace } from '../../api/kinds/core/v1.ts'
import type { ClusterRole, PolicyRule, Role, Subject } from '../../api/kinds/rbac/v1.ts'
import type { PriorityClass } from '../../api/kinds/scheduling/v1.ts'
import { keyOf } from '../../api/resource.ts'
import type { Draft, KubeObject } from '../../api/resource.ts'
import { isAlreadyExists, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import { pathOf } from '../../client/paths.ts'
import { audited } from '../audit/audit.ts'
import type { Audit } from '../audit/audit.ts'
import type { RequestMetrics } from '../../client/metrics/requestMetrics.ts'
import { loopbackRequest } from '../loopback.ts'
import type { LoopbackTarget } from '../loopback.ts'
import { missingRights } from '../authorization/rules.ts'
import type { ApiRequest, ApiResult, Registry, Verb } from '../request.ts'
import { localApiServices } from './apiServices.ts'
import { CLUSTER_ROLES } from './clusterRoles.ts'
import { CONTROLLER_ROLES } from './controllerRoles.ts'
import { flowSchemas, priorityLevels } from './flowControl.ts'
import { CLUSTER_ROLE_BINDINGS, NAMESPACE_ROLES, ROLE_BINDINGS } from './namespaceRoles.ts'
import { AUTOUPDATE_ANNOTATION, clusterRole, clusterRoleBinding, controllerBinding, role, roleBinding } from './rows.ts'

export interface BootstrapOptions {
  catalog: Catalog
  registry: Registry
  clock: Clock
  clientCa: string
  requestHeaderCa?: string
  requestHeaderAllowedNames: readonly string[]
  audit?: Audit
  signal: AbortSignal
}

const SYSTEM_NAMESPACES = ['default', 'kube-system', 'kube-public', 'kube-node-lease']
const RBAC = 'rbac.authorization.k8s.io'

type LoopbackOptions = Pick<BootstrapOptions, 'catalog' | 'registry' | 'audit' | 'signal'> & { requestMetrics?: RequestMetrics }

/** The registry as its own process uses it. */
export class Loopback {
  readonly #options: LoopbackOptions

  constructor(options: LoopbackOptions) {
    this.#options = options
  }

  resource(group: string, version: string, name: string): CatalogResource {
    const found = this.#options.catalog.resource(group, version, name)
    if (!found) throw new Error(`the catalog has no ${name} in ${group}/${version}`)
    return found
  }

  async send(verb: Exclude<Verb, 'watch'>, resource: CatalogResource, at: LoopbackTarget): Promise<KubeObject> {
    const result = await this.#handle(loopbackRequest(verb, resource, at, this.#options.signal))
    if (result.type !== 'object') throw new Error('an object was asked for')
    return result.object as KubeObject
  }

  async list(resource: CatalogResource, at: { namespace?: string; labelSelector?: string } = {}): Promise<Map<string, KubeObject>> {
    const request = loopbackRequest('list', resource, at, this.#options.signal)
    if (at.labelSelector) request.query.set('labelSelector', at.labelSelector)
    const result = await this.#handle(request)
    if (result.type !== 'list') throw new Error('a list was asked for')
    return new Map(result.items.map(({ object }) => [keyOf(object), object]))
  }

  /** Creates an object unless it is there. */
  async ensure(resource: CatalogResource, object: Draft<KubeObject>): Promise<void> {
    const { namespace = '', name = '' } = object.metadata
    try {
      // Asked first: a Service that is there is refused for its taken address, before its name is looked at.
      await this.send('get', resource, { namespace, name })
    } catch (missing) {
      if (!isNotFound(missing)) throw missing
      await this.send('create', resource, { namespace, body: object }).catch((error: unknown) => {
        if (!isAlreadyExists(error)) throw error
      })
    }
  }

  async #handle(request: ApiRequest): Promise<ApiResult> {
    const { requestMetrics } = this.#options
    return requestMetrics ? requestMetrics.timed(request.verb, () => this.#audited(request)) : this.#audited(request)
  }

  async #audited(request: ApiRequest): Promise<ApiResult> {
    const { audit, registry } = this.#options
    if (!audit) return registry.handle(request)
    const { user, verb, resource, subresource, namespace, name, query, userAgent } = request
    const attributes = { user, verb, ...resource, subresource: subresource?.name ?? '', namespace, name, path: '' }
    const uri = pathOf({ resource, namespace, name, subresource: subresource?.name ?? '' }) + (query.size > 0 ? `?${query}` : '')
    const entry = audit.beginInProcess({ uri, userAgent, longRunning: false }, attributes)
    if (!entry) return registry.handle(request)
    return audited(entry, verb, async () => {
      entry.decided(true, '')
      entry.request(request)
      const result = await registry.handle(request)
      entry.response(result)
      return result
    })
  }
}

function mayUpdate(existing: KubeObject): boolean {
  return existing.metadata.annotations?.[AUTOUPDATE_ANNOTATION] !== 'false'
}

/** An existing role with the rights that it lost (or that this version adds); undefined where it has them all. */
export function withMissingRules<T extends Role | ClusterRole>(existing: T, wanted: readonly PolicyRule[]): T | undefined {
  if (!mayUpdate(existing) || ('aggregationRule' in existing && existing.aggregationRule)) return undefined
  const missing = missingRights(existing.rules ?? [], wanted)
  return missing.length === 0 ? undefined : { ...existing, rules: [...(existing.rules ?? []), ...missing] }
}

/** An existing binding with the subjects that it lost. */
export function withMissingSubjects<T extends KubeObject & { subjects?: Subject[] }>(
  existing: T,
  wanted: readonly Subject[],
): T | undefined {
  if (!mayUpdate(existing)) return undefined
  const same = (a: Subject, b: Subject): boolean => a.kind === b.kind && a.name === b.name && (a.namespace ?? '') === (b.namespace ?? '')
  const missing = wanted.filter((subject) => !(existing.subjects ?? []).some((has) => same(has, subject)))
  return missing.length === 0 ? undefined : { ...existing, subjects: [...(existing.subjects ?? []), ...missing] }
}

type Amend = (existing: KubeObject, wanted: Draft<KubeObject>) => KubeObject | undefined

const amendRole: Amend = (existing, wanted) => withMissingRules(existing as ClusterRole, (wanted as ClusterRole).rules ?? [])
const amendBinding: Amend = (existing, wanted) => withMissingSubjects(existing, (wanted as { subjects?: Subject[] }).subjects ?? [])
const leave: Amend = () => undefined

async function reconcile(loopback: Loopback, resource: CatalogResource, wanted: readonly Draft<KubeObject>[], amend: Amend): Promise<void> {
  const existing = await loopback.list(resource)
  await Promise.all(
    wanted.map(async (object) => {
      const { namespace = '', name = '' } = object.metadata
      const found = existing.get(keyOf({ metadata: { name, namespace } }))
      if (!found) return loopback.ensure(resource, object)
      const amended = amend(found, object)
      if (amended) await loopback.send('update', resource, { namespace, name, body: amended })
    }),
  )
}

function namespace(name: string): Draft<Namespace> {
  return { apiVersion: 'v1', kind: 'Namespace', metadata: { name }, spec: {}, status: {} }
}

function priorityClass(name: string, value: number, description: string): Draft<PriorityClass> {
  return { apiVersion: 'scheduling.k8s.io/v1', kind: 'PriorityClass', metadata: { name }, value, description }
}

const PRIORITY_CLASSES = [
  priorityClass('system-node-critical', 2_000_001_000, 'Used for system critical pods that must not be moved from their current node.'),
  priorityClass(
    'system-cluster-critical',
    2_000_000_000,
    'Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.',
  ),
]

/** How extension API servers learn whom to trust. */
function extensionAuthentication({ clientCa, requestHeaderCa, requestHeaderAllowedNames }: BootstrapOptions): Draft<ConfigMap> {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'extension-apiserver-authentication', namespace: 'kube-system' },
    data: {
      'client-ca-file': clientCa,
      ...(requestHeaderCa && {
        'requestheader-client-ca-file': requestHeaderCa,
        'requestheader-allowed-names': JSON.stringify(requestHeaderAllowedNames),
        'requestheader-extra-headers-prefix': '["X-Remote-Extra-"]',
        'requestheader-group-headers': '["X-Remote-Group"]',
        'requestheader-username-headers': '["X-Remote-User"]',
      }),
    },
  }
}

/** The roles and bindings; authorization works once they are there. */
async function bootstrapRbac(loopback: Loopback): Promise<void> {
  const of = (name: string): CatalogResource => loopback.resource(RBAC, 'v1', name)
  const clusterRoles = [...CLUSTER_ROLES, ...CONTROLLER_ROLES].map((row) => clusterRole(row, CLUSTER_ROLES))
  const clusterRoleBindings = [...CLUSTER_ROLE_BINDINGS, ...CONTROLLER_ROLES.map(controllerBinding)].map(clusterRoleBinding)
  await Promise.all([
    reconcile(loopback, of('clusterroles'), clusterRoles, amendRole),
    reconcile(loopback, of('clusterrolebindings'), clusterRoleBindings, amendBinding),
    reconcile(loopback, of('roles'), NAMESPACE_ROLES.map(role), amendRole),
    reconcile(loopback, of('rolebindings'), ROLE_BINDINGS.map(roleBinding), amendBinding),
  ])
}

/** Namespaces and what stands in them for all to read: those that are missing, one deleted meanwhile as well. */
export async function ensureSystemObjects(loopback: Loopback, options: BootstrapOptions): Promise<void> {
  await reconcile(loopback, loopback.resource('', 'v1', 'namespaces'), SYSTEM_NAMESPACES.map(namespace), leave)
  await Promise.all([
    reconcileConfigMap(loopback, extensionAuthentication(options)),
    reconcile(loopback, loopback.resource('', 'v1', 'configmaps'), [tokenTracking(nowOf(options))], leave),
  ])
}

function nowOf({ clock }: BootstrapOptions): string {
  return new Date(clock.now()).toISOString().replace(/\.\d+Z$/, 'Z')
}

/** Brings all of it about. A failure fails the start. */
export async function bootstrap(options: BootstrapOptions): Promise<void> {
  const { catalog } = options
  const loopback = new Loopback(options)
  await ensureSystemObjects(loopback, options)
  const flowControl = 'flowcontrol.apiserver.k8s.io'
  await Promise.all([
    bootstrapRbac(loopback),
    reconcile(loopback, loopback.resource('scheduling.k8s.io', 'v1', 'priorityclasses'), PRIORITY_CLASSES, leave),
    reconcile(loopback, loopback.resource(flowControl, 'v1', 'prioritylevelconfigurations'), priorityLevels(), leave),
    reconcile(loopback, loopback.resource(flowControl, 'v1', 'flowschemas'), flowSchemas(), leave),
    reconcileApiServices(loopback, localApiServices(catalog, nowOf(options))),
  ])
}

/** Since when the use of legacy tokens is noted: none that was used before then may be taken for unused. */
function tokenTracking(now: string): Draft<ConfigMap> {
  return {
    apiVersion: 'v1',
    kind: 'ConfigMap',
    metadata: { name: 'kube-apiserver-legacy-service-account-token-tracking', namespace: 'kube-system' },
    data: { since: now.slice(0, 10) },
  }
}

/** An APIService's status cannot be created with it: what serves the group right here is available. */
async function reconcileApiServices(loopback: Loopback, wanted: readonly Draft<APIService>[]): Promise<void> {
  const resource = loopback.resource('apiregistration.k8s.io', 'v1', 'apiservices')
  await reconcile(loopback, resource, wanted, leave)
  const existing = await loopback.list(resource)
  await Promise.all(
    wanted.map(async ({ metadata, status }) => {
      const { name = '' } = metadata
      const found = existing.get(name) as APIService | undefined
      if (!found || found.status?.conditions?.length) return
      await loopback.send('update', resource, { name, subresource: 'status', body: { ...found, ...(status && { status }) } })
    }),
  )
}

async function reconcileConfigMap(loopback: Loopback, wanted: Draft<ConfigMap>): Promise<void> {
  const resource = loopback.resource('', 'v1', 'configmaps')
  await reconcile(loopback, resource, [wanted], (existing) => {
    const same = JSON.stringify((existing as ConfigMap).data) === JSON.stringify(wanted.data)
    return same ? undefined : { ...(existing as ConfigMap), ...(wanted.data && { data: wanted.data }) }
  })
}

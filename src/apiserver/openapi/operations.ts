/**
 * Every path of the API and what can be done there, derived from the catalog: the content of an OpenAPI document before it is
 * written as version 2 or 3 (k8s.io/apiserver endpoints/installer and kube-openapi). Names follow upstream's, since clients
 * are generated from them.
 */
import type { Catalog, CatalogResource, CatalogSubresource, GroupVersionKind } from '../../api/catalog/catalog.ts'
import type { Schema, TypeDef } from '../../api/catalog/schema.ts'

export interface Parameter {
  readonly name: string
  readonly in: 'path' | 'query'
  readonly type: 'string' | 'integer' | 'boolean'
  readonly description?: string
  /** The definition that it is a field of. */
  readonly options?: string
}

/** What a response is said to be. */
export const REASONS = { 200: 'OK', 201: 'Created', 202: 'Accepted' } as const

export type HttpMethod = 'get' | 'post' | 'put' | 'patch' | 'delete' | 'head' | 'options'

export interface Operation {
  readonly method: HttpMethod
  readonly operationId: string
  readonly description: string
  readonly tag: string
  readonly action?: string
  readonly kind?: GroupVersionKind
  readonly query: readonly Parameter[]
  /** Definition of the body. */
  readonly body?: string
  readonly bodyRequired?: boolean
  readonly consumes?: readonly string[]
  readonly produces: readonly string[]
  /** Status codes of success, and the definition that they answer; '' is a plain string, undefined says nothing. */
  readonly codes: readonly (keyof typeof REASONS)[]
  readonly answer?: string
}

export interface PathItem {
  readonly path: string
  /** In the path, and query parameters that all operations share. */
  readonly parameters: readonly Parameter[]
  readonly operations: readonly Operation[]
}

const META = 'io.k8s.apimachinery.pkg.apis.meta.v1'
const OBJECTS = ['application/json', 'application/yaml', 'application/vnd.kubernetes.protobuf']
const STREAMS = [...OBJECTS, 'application/json;stream=watch', 'application/vnd.kubernetes.protobuf;stream=watch']
const PATCHES = [
  'application/json-patch+json',
  'application/merge-patch+json',
  'application/strategic-merge-patch+json',
  'application/apply-patch+yaml',
]
const ANY = ['*/*']

const query = (name: string, type: Parameter['type'] = 'string'): Parameter => ({ name, in: 'query', type })
const inPath = (name: string): Parameter => ({ name, in: 'path', type: 'string' })

const PRETTY = query('pretty')
const RESOURCE_VERSION = query('resourceVersion')
const SELECTION = [
  query('continue'),
  query('fieldSelector'),
  query('labelSelector'),
  query('limit', 'integer'),
  RESOURCE_VERSION,
  query('resourceVersionMatch'),
  query('sendInitialEvents', 'boolean'),
  query('shardSelector'),
  query('timeoutSeconds', 'integer'),
]
const LIST = [query('allowWatchBookmarks', 'boolean'), ...SELECTION, query('watch', 'boolean')]
const WRITE = [query('dryRun'), query('fieldManager'), query('fieldValidation')]
const PATCH = [...WRITE, query('force', 'boolean')]
const DELETE = [
  query('dryRun'),
  query('gracePeriodSeconds', 'integer'),
  query('ignoreStoreReadErrorWithClusterBreakingPotential', 'boolean'),
  query('orphanDependents', 'boolean'),
  query('propagationPolicy'),
]

/** Kinds whose deletion answers the object; of the others it answers a Status. */
const DELETE_ANSWERS_OBJECT = new Set([
  'Pod',
  'PodTemplate',
  'Service',
  'ServiceAccount',
  'ResourceQuota',
  'PersistentVolume',
  'PersistentVolumeClaim',
  'StorageClass',
  'CSIDriver',
  'CSINode',
  'VolumeAttachment',
  'VolumeAttributesClass',
  'DeviceClass',
  'ResourceClaim',
  'ResourceClaimTemplate',
  'ResourceSlice',
  'DeviceTaintRule',
  'ResourcePoolStatusRequest',
])

const capitalized = (text: string): string => text.charAt(0).toUpperCase() + text.slice(1)

/** `RbacAuthorization` of rbac.authorization.k8s.io. */
function groupName(group: string): string {
  return group === ''
    ? 'Core'
    : group
        .replace(/\.k8s\.io$/, '')
        .split(/[^A-Za-z0-9]+/)
        .map(capitalized)
        .join('')
}

const uncapitalized = (text: string): string => text.charAt(0).toLowerCase() + text.slice(1)

/** `a Pod`, `an Event`, `Endpoints`. */
function withArticle(kind: string): string {
  if (kind.endsWith('s') && !kind.endsWith('ss')) return kind
  return /^[AEIOU]/.test(kind) ? `an ${kind}` : `a ${kind}`
}

export function groupPath(group: string): string {
  return group === '' ? '/api/' : `/apis/${group}/`
}

export function groupVersionPath(group: string, version: string): string {
  return group === '' ? `/api/${version}/` : `/apis/${group}/${version}/`
}

/** Query parameters that every operation of a path has belong to the path. */
function pathItem(path: string, pathParameters: readonly Parameter[], operations: readonly Operation[]): PathItem {
  const [first, ...others] = operations
  const shared = (first?.query ?? []).filter((p) => others.every((o) => o.query.some((q) => q.name === p.name)))
  const byName = (a: Parameter, b: Parameter): number => (a.name < b.name ? -1 : a.name > b.name ? 1 : a.in < b.in ? -1 : 1)
  const inItsPath = pathParameters.map((p) => (p.name === 'name' ? { ...p, description: `name of the ${first?.kind?.kind}` } : p))
  return {
    path,
    parameters: [...inItsPath, ...shared].sort(byName),
    operations: operations.map((o) => ({ ...o, query: o.query.filter((q) => !shared.some((p) => p.name === q.name)).sort(byName) })),
  }
}

interface ResourceContext {
  resource: CatalogResource
  /** `CoreV1`. */
  name: string
  tag: string
  base: string
  definition: string
  /** `io.k8s.api.core.v1.PodList`. */
  listDefinition: string
  /** Media types of objects, of streams of them, and of patches. */
  objects: readonly string[]
  streams: readonly string[]
  patches: readonly string[]
  /** Upstream describes the operations of custom resources by itself, with less of a few and more of others. */
  custom: boolean
}

/** Custom resources have no protobuf form and no strategic merge. */
const CUSTOM_OBJECTS = OBJECTS.filter((type) => !type.includes('protobuf'))
const CUSTOM_PATCHES = PATCHES.filter((type) => !type.includes('strategic'))

class ResourcePaths {
  readonly #context: ResourceContext
  readonly #catalog: Catalog

  /** `definitions` are those of a custom resource and its list. */
  constructor(catalog: Catalog, resource: CatalogResource, definitions?: { object: string; list: string }) {
    const { group, version } = resource
    const name = groupName(group)
    this.#catalog = catalog
    this.#context = {
      resource,
      name: name + capitalized(version),
      tag: `${uncapitalized(name)}_${version}`,
      base: groupVersionPath(group, version),
      definition: definitions?.object ?? resource.type.name,
      listDefinition: definitions?.list ?? `${resource.type.name}List`,
      objects: definitions ? CUSTOM_OBJECTS : OBJECTS,
      streams: definitions ? CUSTOM_OBJECTS : STREAMS,
      patches: definitions ? CUSTOM_PATCHES : PATCHES,
      custom: definitions !== undefined,
    }
  }

  all(): PathItem[] {
    const { resource, base } = this.#context
    const scope = resource.namespaced ? 'namespaces/{namespace}/' : ''
    const scopeParameters = resource.namespaced ? [inPath('namespace')] : []
    const item = [inPath('name'), ...scopeParameters]
    const place = `${base}${scope}${resource.resource}`
    const paths = [
      pathItem(place, scopeParameters, this.#collection()),
      pathItem(`${place}/{name}`, item, this.#item()),
      ...resource.subresources.flatMap((sub) => this.#subresource(sub, `${place}/{name}/${sub.name}`, item)),
    ]
    if (resource.namespaced && this.#has('list')) paths.push(pathItem(`${base}${resource.resource}`, [], [this.#list('ForAllNamespaces')]))
    if (this.#has('watch')) {
      paths.push(pathItem(`${base}watch/${scope}${resource.resource}`, scopeParameters, [this.#watch('List', 'watchlist')]))
      paths.push(pathItem(`${base}watch/${scope}${resource.resource}/{name}`, item, [this.#watch('', 'watch')]))
      if (resource.namespaced)
        paths.push(pathItem(`${base}watch/${resource.resource}`, [], [this.#watch('ListForAllNamespaces', 'watchlist')]))
    }
    return paths.filter((p) => p.operations.length > 0)
  }

  #has(verb: string): boolean {
    return this.#context.resource.verbs.includes(verb)
  }

  #gvk(): GroupVersionKind {
    const { group, version, kind } = this.#context.resource
    return { group, version, kind }
  }

  #id(verb: string, tail = '', infix = '', scoped = this.#context.resource.namespaced): string {
    return `${verb}${this.#context.name}${infix}${scoped ? 'Namespaced' : ''}${this.#context.resource.kind}${tail}`
  }

  #operation(method: HttpMethod, action: string, operationId: string, description: string, rest: Partial<Operation>): Operation {
    const { tag, definition, custom } = this.#context
    return {
      method,
      action,
      operationId,
      description,
      tag,
      kind: this.#gvk(),
      query: [PRETTY],
      consumes: custom ? CUSTOM_OBJECTS : ANY,
      produces: this.#context.objects,
      codes: [200],
      answer: definition,
      ...rest,
    }
  }

  #list(tail: '' | 'ForAllNamespaces'): Operation {
    const { namespaced, kind } = this.#context.resource
    const scoped = tail === '' && namespaced
    const description = `list ${this.#has('watch') && !this.#context.custom ? 'or watch ' : ''}objects of kind ${kind}`
    return this.#operation('get', 'list', this.#id('list', tail, '', scoped), description, {
      query: [...LIST, PRETTY],
      produces: this.#context.streams,
      answer: this.#context.listDefinition,
    })
  }

  #watch(tail: '' | 'List' | 'ListForAllNamespaces', action: string): Operation {
    const { namespaced, kind } = this.#context.resource
    const scoped = tail !== 'ListForAllNamespaces' && namespaced
    const instead = `deprecated: use the 'watch' parameter with a list operation instead`
    const description =
      tail === ''
        ? `watch changes to an object of kind ${kind}. ${instead}, filtered to a single item with the 'fieldSelector' parameter.`
        : `watch individual changes to a list of ${kind}. ${instead}.`
    return this.#operation('get', action, this.#id('watch', tail, '', scoped), description, {
      query: [...LIST, PRETTY],
      produces: STREAMS,
      answer: `${META}.WatchEvent`,
    })
  }

  #create(sub = '', answer = this.#context.definition, kind = this.#gvk()): Operation {
    const what = withArticle(this.#context.resource.kind)
    const description = sub ? `create ${sub} of ${what}` : `create ${what}`
    return this.#operation('post', 'post', this.#id('create', capitalized(sub)), description, {
      kind,
      query: [...WRITE, PRETTY],
      body: answer,
      bodyRequired: true,
      codes: [200, 201, 202],
      answer,
    })
  }

  #collection(): Operation[] {
    const { kind } = this.#context.resource
    const operations: Operation[] = []
    if (this.#has('deletecollection')) {
      operations.push(
        this.#operation('delete', 'deletecollection', this.#id('delete', '', 'Collection'), `delete collection of ${kind}`, {
          ...(this.#context.custom
            ? { query: [...LIST, PRETTY] }
            : { query: [...SELECTION, ...DELETE, PRETTY], body: `${META}.DeleteOptions` }),
          answer: `${META}.Status`,
        }),
      )
    }
    if (this.#has('list')) operations.push(this.#list(''))
    if (this.#has('create')) operations.push(this.#create())
    return operations
  }

  #item(): Operation[] {
    const { definition, resource } = this.#context
    const operations: Operation[] = []
    if (this.#has('delete')) {
      const answer = DELETE_ANSWERS_OBJECT.has(resource.kind) ? definition : `${META}.Status`
      operations.push(
        this.#operation('delete', 'delete', this.#id('delete'), `delete ${withArticle(resource.kind)}`, {
          query: [...DELETE, PRETTY],
          body: `${META}.DeleteOptions`,
          codes: [200, 202],
          answer,
        }),
      )
    }
    return [...operations, ...this.#readAndWrite(resource.verbs, '', definition, this.#gvk())]
  }

  #readAndWrite(verbs: readonly string[], sub: string, answer: string, kind: GroupVersionKind): Operation[] {
    const operations: Operation[] = []
    const tail = capitalized(sub)
    const what = `${sub ? `${sub} of ` : ''}the specified ${this.#context.resource.kind}`
    if (verbs.includes('get')) {
      const query = this.#context.custom ? [RESOURCE_VERSION, PRETTY] : [PRETTY]
      operations.push(this.#operation('get', 'get', this.#id('read', tail), `read ${what}`, { kind, query, answer }))
    }
    if (verbs.includes('patch')) {
      operations.push(
        this.#operation('patch', 'patch', this.#id('patch', tail), `partially update ${what}`, {
          kind,
          query: [...PATCH, PRETTY],
          body: `${META}.Patch`,
          bodyRequired: true,
          consumes: this.#context.patches,
          codes: this.#context.custom ? [200] : [200, 201],
          answer,
        }),
      )
    }
    if (verbs.includes('update')) {
      operations.push(
        this.#operation('put', 'put', this.#id('replace', tail), `replace ${what}`, {
          kind,
          query: [...WRITE, PRETTY],
          body: answer,
          bodyRequired: true,
          codes: [200, 201],
          answer,
        }),
      )
    }
    return operations
  }

  #subresource(sub: CatalogSubresource, path: string, parameters: readonly Parameter[]): PathItem[] {
    const own = sub.kind.kind === this.#context.resource.kind && sub.kind.group === this.#context.resource.group
    const type = own ? this.#context.resource.type : this.#catalog.typeOfKind(sub.kind)
    if (!type) return []
    if (sub.kind.kind.endsWith('Options')) return this.#connect(sub, type, path, parameters)
    if (sub.name === 'log') {
      const options = this.#catalog.typeOfKind({ group: '', version: 'v1', kind: 'PodLogOptions' })
      const query = [...(options ? queryOf(options) : []), PRETTY]
      const description = `read log of the specified ${this.#context.resource.kind}`
      const produces = ['text/plain', ...OBJECTS]
      const log = this.#operation('get', 'get', this.#id('read', 'Log'), description, { query, produces, answer: '' })
      return [pathItem(path, parameters, [log])]
    }
    const answer = type === this.#context.resource.type ? this.#context.definition : type.name
    const operations = this.#readAndWrite(sub.verbs, sub.name, answer, this.#context.custom ? this.#gvk() : sub.kind)
    if (sub.verbs.includes('create')) operations.unshift(this.#create(sub.name, type.name, sub.kind))
    return [pathItem(path, parameters, operations)]
  }

  #connect(sub: CatalogSubresource, options: TypeDef, path: string, parameters: readonly Parameter[]): PathItem[] {
    const proxied = sub.verbs.length > 2
    const methods: HttpMethod[] = proxied ? ['delete', 'get', 'head', 'options', 'patch', 'post', 'put'] : ['get', 'post']
    const operations = (suffix: string): Operation[] =>
      methods.map((method) => {
        const id = this.#id('connect', capitalized(sub.name) + suffix, capitalized(method))
        const description = `connect ${method.toUpperCase()} requests to ${sub.name} of ${this.#context.resource.kind}`
        return this.#operation(method, 'connect', id, description, { kind: sub.kind, query: queryOf(options), produces: ANY, answer: '' })
      })
    const items = [pathItem(path, parameters, operations(''))]
    if (proxied)
      items.push(
        pathItem(`${path}/{path}`, [...parameters, { ...inPath('path'), description: 'path to the resource' }], operations('WithPath')),
      )
    return items
  }
}

/** The options of a connection as query parameters. */
function queryOf(options: TypeDef): Parameter[] {
  return options.fields
    .filter((f) => f.name !== 'kind' && f.name !== 'apiVersion')
    .filter((f) => f.schema.type !== 'time')
    .map((f) => ({
      ...query(f.name, parameterType(f.schema.type === 'array' ? f.schema.items : f.schema)),
      options: options.name,
    }))
}

function parameterType({ type }: Schema): Parameter['type'] {
  if (type === 'boolean') return 'boolean'
  return type === 'int32' || type === 'int64' ? 'integer' : 'string'
}

function root(
  path: string,
  operationId: string,
  description: string,
  tag: string,
  answer: string | undefined,
  produces: readonly string[],
  consumes?: readonly string[],
): PathItem {
  const operation: Operation = {
    method: 'get',
    operationId,
    description,
    tag,
    query: [],
    produces,
    codes: answer === undefined ? [] : [200],
    ...(answer !== undefined && { answer }),
    ...(consumes && { consumes }),
  }
  return { path, parameters: [], operations: [operation] }
}

/** The paths of one custom resource: their old watch paths are not published. */
export function customResourcePaths(
  catalog: Catalog,
  resource: CatalogResource,
  definitions: { object: string; list: string },
): PathItem[] {
  return new ResourcePaths(catalog, resource, definitions).all().filter(({ path }) => !path.includes('/watch/'))
}

export function resourcePaths(catalog: Catalog, group: string, version: string): PathItem[] {
  const name = groupName(group)
  const tag = `${uncapitalized(name)}_${version}`
  const listing = root(
    groupVersionPath(group, version),
    `get${name}${capitalized(version)}APIResources`,
    'get available resources',
    tag,
    `${META}.APIResourceList`,
    OBJECTS,
    OBJECTS,
  )
  return [listing, ...catalog.resources(group, version).flatMap((resource) => new ResourcePaths(catalog, resource).all())]
}

/** A group's own page. The core group's is that of all its versions. */
export function groupPaths(group: string): PathItem[] {
  const name = groupName(group)
  if (group === '')
    return [root('/api/', 'getCoreAPIVersions', 'get available API versions', 'core', `${META}.APIVersions`, OBJECTS, OBJECTS)]
  return [
    root(groupPath(group), `get${name}APIGroup`, 'get information of a group', uncapitalized(name), `${META}.APIGroup`, OBJECTS, OBJECTS),
  ]
}

const OPENID_CONFIGURATION = `get service account issuer OpenID configuration, also known as the 'OIDC discovery doc'`
const OPENID_KEYS = 'get service account issuer OpenID JSON Web Key Set (contains public token verification keys)'

/** What stands beside the groups, by the name of its document. */
export const ROOT_DOCUMENTS: Readonly<Record<string, PathItem[]>> = {
  '.well-known/openid-configuration': [
    root('/.well-known/openid-configuration/', 'getServiceAccountIssuerOpenIDConfiguration', OPENID_CONFIGURATION, 'WellKnown', '', [
      'application/json',
    ]),
  ],
  apis: [root('/apis/', 'getAPIVersions', 'get available API versions', 'apis', `${META}.APIGroupList`, OBJECTS, OBJECTS)],
  'openid/v1/jwks': [
    root('/openid/v1/jwks/', 'getServiceAccountIssuerOpenIDKeyset', OPENID_KEYS, 'openid', '', ['application/jwk-set+json']),
  ],
  version: [
    root(
      '/version/',
      'getCodeVersion',
      'get the version information for this server',
      'version',
      'io.k8s.apimachinery.pkg.version.Info',
      ['application/json'],
      ['application/json'],
    ),
  ],
}

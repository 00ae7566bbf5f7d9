/**
 * Answers discovery requests from the catalog, in the plain form and the aggregated one (apidiscovery.k8s.io/v2) that
 * current clients ask for. Documents are made when first asked for and kept until the catalog's groups change.
 */
import { createHash } from 'node:crypto'
import { isCustomGroup } from '../../api/catalog/catalog.ts'
import type { Catalog } from '../../api/catalog/catalog.ts'
import { newMethodNotAllowed } from '../../api/status.ts'
import { negotiate, newNotAcceptable, newRouterNotAcceptable, parseAccept } from '../transport/negotiation.ts'
import { newNoSuchPath } from '../transport/routes.ts'
import type { MediaType } from '../transport/negotiation.ts'
import { catalogGroups } from './groups.ts'
import type { DiscoveredGroups } from './groups.ts'
import { apiGroupDiscoveryList, apiGroupDocument, apiGroupList, apiResourceList, apiVersions } from './documents.ts'

export interface DiscoveryAnswer {
  document: object
  mediaType: MediaType
  /** The whole content type where it is more than the media type. */
  contentType: string
  /** The Accept header asks for JSON that people can read. */
  pretty: boolean
  etag?: string
}

const AGGREGATED_PARAMS = ';g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList'
const MEDIA_TYPES: Readonly<Record<string, MediaType>> = {
  'application/json': 'application/json',
  '*/*': 'application/json',
  'application/*': 'application/json',
  'application/yaml': 'application/yaml',
  'application/vnd.kubernetes.protobuf': 'application/vnd.kubernetes.protobuf',
}

/** What the router in front of /api lets pass. */
const ROUTED_TYPES = new Set(Object.keys(MEDIA_TYPES).filter((type) => type !== 'application/*'))
const REPRESENTATIONS = [...new Set(Object.values(MEDIA_TYPES))].join(', ')

export class Discovery {
  readonly #catalog: Catalog
  readonly #groups: DiscoveredGroups
  readonly #serverAddress: () => string
  readonly #etags = new WeakMap<object, string>()
  #made: { identity: readonly unknown[]; aggregated: Map<boolean, object> } | undefined

  /** Without `groups` they are the catalog's. */
  constructor(options: { catalog: Catalog; groups?: DiscoveredGroups; serverAddress: () => string }) {
    this.#catalog = options.catalog
    this.#groups = options.groups ?? catalogGroups(options.catalog)
    this.#serverAddress = options.serverAddress
  }

  /** Undefined where the path is none of discovery's. Throws a StatusError as upstream answers it. */
  answer(path: string, method: string, accept: string): DiscoveryAnswer | undefined {
    const parts = path.replace(/\/$/, '').split('/').slice(1)
    const [root, group = '', version = ''] = parts
    if (root === 'api' && parts.length === 1) {
      // Of the two roots only this one looks at the method.
      if (method !== 'GET') throw newMethodNotAllowed()
      return this.#root(true, accept)
    }
    if (root === 'apis' && parts.length === 1) return this.#root(false, accept)
    if (root === 'api' && parts.length === 2) return this.#resources('', group, method, accept)
    if (root === 'apis' && parts.length === 2) {
      const document = apiGroupDocument(this.#groups(), group)
      // Told by what stands before the router.
      return document && plain(document, accept, false)
    }
    if (root === 'apis' && parts.length === 3) {
      const known = this.#catalog.groups.find((g) => g.name === group)
      const elsewhere = !known?.versions.includes(version) && isCustomGroup(this.#catalog, group)
      return known && !elsewhere ? this.#resources(group, version, method, accept) : undefined
    }
    return undefined
  }

  #resources(group: string, version: string, method: string, accept: string): DiscoveryAnswer {
    const document = apiResourceList(this.#catalog, group, version)
    if (!document) throw newNoSuchPath()
    if (method !== 'GET') throw newMethodNotAllowed()
    return plain(document, accept, true)
  }

  #root(core: boolean, accept: string): DiscoveryAnswer {
    const clauses = parseAccept(accept === '' ? '*/*' : accept)
    if (core && !clauses.some(({ type }) => ROUTED_TYPES.has(type))) throw newRouterNotAcceptable(REPRESENTATIONS)
    for (const { type, params } of clauses) {
      const mediaType = MEDIA_TYPES[type]
      if (!mediaType) continue
      const pretty = params['pretty'] === '1'
      if (params['as'] === undefined && params['g'] === undefined && params['v'] === undefined) {
        const document = core ? apiVersions(this.#serverAddress()) : apiGroupList(this.#groups())
        return { document, mediaType, contentType: mediaType, pretty }
      }
      if (params['as'] === 'APIGroupDiscoveryList' && params['g'] === 'apidiscovery.k8s.io' && params['v'] === 'v2') {
        const document = this.#aggregated(core)
        return { document, mediaType, contentType: `${mediaType}${AGGREGATED_PARAMS}`, pretty, etag: this.#etag(document) }
      }
    }
    throw newNotAcceptable()
  }

  #aggregated(core: boolean): object {
    const groups = this.#groups()
    // A catalog that grows (custom resources) answers new arrays for what changed.
    const identity = [groups, ...groups.flatMap((g) => g.versions.map((v) => this.#catalog.resources(g.name, v.version)))]
    const made = this.#made
    const same = made && made.identity.length === identity.length && identity.every((part, at) => part === made.identity[at])
    const current = same ? made : { identity, aggregated: new Map<boolean, object>() }
    this.#made = current
    let document = current.aggregated.get(core)
    if (!document) current.aggregated.set(core, (document = apiGroupDiscoveryList(this.#catalog, groups, core)))
    return document
  }

  #etag(document: object): string {
    let etag = this.#etags.get(document)
    if (!etag) {
      etag = `"${createHash('sha512').update(JSON.stringify(document)).digest('hex').toUpperCase()}"`
      this.#etags.set(document, etag)
    }
    return etag
  }
}

function plain(document: object, accept: string, routed: boolean): DiscoveryAnswer {
  const { mediaType, pretty } = negotiate(accept, { transforms: [], routed, pretty: false })
  return { document, mediaType, contentType: mediaType, pretty }
}

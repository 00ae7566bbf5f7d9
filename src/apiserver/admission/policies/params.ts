/** The parameters of a policy: which objects a binding hands to it for a request. */
import type { Catalog, CatalogResource } from '../../../api/catalog/catalog.ts'
import type { ParamKind, ParamRef } from '../../../api/kinds/admissionregistration/v1.ts'
import type { KubeObject } from '../../../api/resource.ts'
import { labelSelectorMatches } from '../../../api/selectors.ts'

/** Objects of any kind, in the version of the resource. */
export interface ParamObjects {
  find(resource: CatalogResource, namespace: string, name: string): Promise<KubeObject | undefined>
  /** '' lists all namespaces. */
  list(resource: CatalogResource, namespace: string): Promise<readonly KubeObject[]>
}

/** The policy or the binding cannot be used as it stands; failurePolicy decides what that means. */
export class ConfigurationError extends Error {
  override readonly name = 'ConfigurationError'
}

function kindText({ apiVersion = '', kind = '' }: ParamKind): string {
  return `${apiVersion.includes('/') ? apiVersion : `/${apiVersion}`}, Kind=${kind}`
}

/** Throws ConfigurationError where no such kind is served. */
export function paramResource(catalog: Catalog, paramKind: ParamKind): CatalogResource {
  const { apiVersion = '', kind } = paramKind
  const slash = apiVersion.indexOf('/')
  const [group, version] = slash < 0 ? ['', apiVersion] : [apiVersion.slice(0, slash), apiVersion.slice(slash + 1)]
  const found = catalog.resources(group, version).find((resource) => resource.kind === kind)
  if (!found) throw new ConfigurationError(`failed to find resource referenced by paramKind: '${kindText(paramKind)}'`)
  return found
}

export interface ParamRequest {
  paramKind: ParamKind | undefined
  resource: CatalogResource | undefined
  paramRef: ParamRef | undefined
  /** Of the request. */
  namespace: string
}

/** One evaluation for each; null is one without parameters, and none means that the binding does not apply. */
export async function collectParams(
  objects: ParamObjects,
  { paramKind, resource, paramRef, namespace }: ParamRequest,
): Promise<readonly (KubeObject | null)[]> {
  if (!paramKind || !paramRef || !resource) return [null]
  const at = namespaceFor(resource, paramRef, namespace)
  const found = await matching(objects, resource, paramRef, at)
  if (found.length === 0 && paramRef.parameterNotFoundAction === 'Deny') {
    throw new ConfigurationError('no params found for policy binding with `Deny` parameterNotFoundAction')
  }
  return found
}

function namespaceFor(resource: CatalogResource, paramRef: ParamRef, namespace: string): string {
  if (!resource.namespaced) {
    if (paramRef.namespace) throw new ConfigurationError('paramRef.namespace must not be provided for a cluster-scoped `paramKind`')
    return ''
  }
  const at = paramRef.namespace || namespace
  if (!at) throw new ConfigurationError('cannot use namespaced paramRef in policy binding that matches cluster-scoped resources')
  return at
}

async function matching(objects: ParamObjects, resource: CatalogResource, { name, selector }: ParamRef, at: string): Promise<KubeObject[]> {
  if (name) {
    const found = await objects.find(resource, at, name)
    return found ? [found] : []
  }
  if (!selector) throw new ConfigurationError('one of name or selector must be provided')
  const all = await objects.list(resource, at)
  return all.filter(({ metadata }) => labelSelectorMatches(selector, metadata.labels))
}

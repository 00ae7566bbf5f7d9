/** A request as a SubjectAccessReview's spec shows it. */
import type { JsonObject } from '../../api/resource.ts'
import type { RequestAttributes } from '../request.ts'

/** `a=b,c!=d` as requirements; what has another shape narrows nothing. */
function requirementsOf(fieldSelector: string): JsonObject[] {
  return fieldSelector.split(',').flatMap((term) => {
    const [, key, operator, value] = /^([^!=]+)(!=|==|=)(.*)$/.exec(term) ?? []
    return key === undefined ? [] : [{ key, operator: operator === '!=' ? 'NotIn' : 'In', values: [value ?? ''] }]
  })
}

/** In upstream's order of fields, those that are empty left out. */
export function reviewSpec({ user, ...request }: RequestAttributes): JsonObject {
  const { verb, group, version, resource, subresource, namespace, name, path, fieldSelector } = request
  const requirements = requirementsOf(fieldSelector ?? '')
  const given = { namespace, verb, group, version, resource, subresource, name }
  const resourceAttributes = {
    ...Object.fromEntries(Object.entries(given).filter(([, value]) => value !== '')),
    ...(requirements.length > 0 && { fieldSelector: { requirements } }),
  }
  const extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]))
  return {
    ...(resource === '' ? { nonResourceAttributes: { path, verb } } : { resourceAttributes }),
    user: user.name,
    ...(user.groups.length > 0 && { groups: [...user.groups] }),
    ...(Object.keys(extra).length > 0 && { extra }),
    ...(user.uid && { uid: user.uid }),
  }
}

/** The older version calls its groups otherwise. */
export function specIn(version: string, spec: JsonObject): JsonObject {
  if (version !== 'v1beta1') return spec
  return Object.fromEntries(Object.entries(spec).map(([field, value]) => [field === 'groups' ? 'group' : field, value]))
}

/** For expressions every text is there, empty or not. */
export function conditionView({ user, ...request }: RequestAttributes): JsonObject {
  const { verb, group, version, resource, subresource, namespace, name, path, fieldSelector } = request
  const requirements = requirementsOf(fieldSelector ?? '')
  const extra = Object.fromEntries(Object.entries(user.extra).map(([key, values]) => [key, [...values]]))
  const selector = requirements.length > 0 && { fieldSelector: { requirements } }
  const asked = { namespace, verb, group, version, resource, subresource, name, ...selector }
  return {
    user: user.name,
    groups: [...user.groups],
    uid: user.uid ?? '',
    extra,
    ...(resource === '' ? { nonResourceAttributes: { path, verb } } : { resourceAttributes: asked }),
  }
}

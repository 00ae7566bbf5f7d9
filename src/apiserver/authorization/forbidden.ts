/** The 403 of a request that authorization refuses, in upstream's words. */
import { newForbidden, newStatusError } from '../../api/status.ts'
import type { StatusError } from '../../api/status.ts'
import type { RequestAttributes } from '../request.ts'

/** An error text must not look like HTML. */
function sanitize(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

export function newForbiddenFor(attributes: RequestAttributes, reason: string): StatusError {
  const { user, verb, group, resource, subresource, namespace, name, path } = attributes
  const why = reason ? `: ${reason}` : ''
  const who = `User ${JSON.stringify(user.name)}`
  if (resource === '') {
    return newStatusError(403, 'Forbidden', `forbidden: ${sanitize(`${who} cannot ${verb} path ${JSON.stringify(path)}`)}${why}`, {})
  }
  const what = subresource ? `${resource}/${subresource}` : resource
  const where = namespace ? `in the namespace ${JSON.stringify(namespace)}` : 'at the cluster scope'
  const message = `${who} cannot ${verb} resource ${JSON.stringify(what)} in API group ${JSON.stringify(group)} ${where}`
  return newForbidden({ group, resource }, name, `${sanitize(message)}${why}`)
}

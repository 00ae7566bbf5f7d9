/** APIServices: groups and versions that other servers answer for (kube-aggregator's validation). */
import { check, invalid, required } from './fieldErrors.ts'
import { isDns1035Label, isDns1123Subdomain, isPathSegmentName, isPortNumber } from './names.ts'
import { quote } from '../quote.ts'
import { validateEnum } from './values.ts'
import type { APIService } from '../kinds/apiregistration/v1.ts'
import type { FieldError } from '../status.ts'

const GROUP_PRIORITY_LIMIT = 20_000
const VERSION_PRIORITY_LIMIT = 1000

export function validateApiService({ metadata, spec }: APIService): FieldError[] {
  const errors: FieldError[] = []
  const { group = '', version = '', groupPriorityMinimum = 0, versionPriority = 0, service, insecureSkipTLSVerify, caBundle } = spec ?? {}
  const wanted = `${version}.${group}`
  for (const field of ['generateName', 'name'] as const) {
    const name = metadata[field]
    if (name && name !== wanted && isPathSegmentName(name, false).length === 0)
      errors.push(invalid(`metadata.${field}`, name, `must be \`spec.version+"."+spec.group\`: ${quote(wanted)}`))
  }
  if (!group) {
    if (version !== 'v1') errors.push(required('spec.group', 'only v1 may have an empty group and it better be legacy kube'))
  } else check(errors, 'spec.group', group, isDns1123Subdomain(group))
  check(errors, 'spec.version', version, isDns1035Label(version))
  if (groupPriorityMinimum <= 0 || groupPriorityMinimum > GROUP_PRIORITY_LIMIT) {
    errors.push(invalid('spec.groupPriorityMinimum', groupPriorityMinimum, `must be positive and less than ${GROUP_PRIORITY_LIMIT}`))
  }
  if (versionPriority <= 0 || versionPriority > VERSION_PRIORITY_LIMIT) {
    errors.push(invalid('spec.versionPriority', versionPriority, `must be positive and less than ${VERSION_PRIORITY_LIMIT}`))
  }
  if (!service) {
    if (caBundle)
      errors.push(invalid('spec.caBundle', `${Buffer.from(caBundle, 'base64').length} bytes`, 'local APIServices may not have a caBundle'))
    if (insecureSkipTLSVerify)
      errors.push(invalid('spec.insecureSkipTLSVerify', true, 'local APIServices may not have insecureSkipTLSVerify'))
    return errors
  }
  if (!service.namespace) errors.push(required('spec.service.namespace'))
  if (!service.name) errors.push(required('spec.service.name'))
  const broken = service.port === undefined ? [] : isPortNumber(service.port)
  if (broken.length > 0) errors.push(invalid('spec.service.port', service.port, `port is not valid: ${broken.join(', ')}`))
  if (insecureSkipTLSVerify && caBundle) errors.push(invalid('spec.insecureSkipTLSVerify', true, 'may not be true if caBundle is present'))
  return errors
}

export function validateApiServiceStatus({ status }: APIService): FieldError[] {
  return (status?.conditions ?? []).flatMap((condition, i) =>
    validateEnum(condition.status, `status.conditions[${i}].status`, ['True', 'False', 'Unknown']),
  )
}

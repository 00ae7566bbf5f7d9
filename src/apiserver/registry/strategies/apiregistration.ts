/** apiregistration.k8s.io: an APIService is named `<version>.<group>`, where the core group's is nothing. */
import { isPathSegmentName } from '../../../api/validation/names.ts'
import type { APIService } from '../../../api/kinds/apiregistration/v1.ts'
import type { FieldError } from '../../../api/status.ts'
import type { Strategy } from '../strategy.ts'

function validateName({ metadata, spec }: APIService): FieldError[] {
  const required = `${spec?.version ?? ''}.${spec?.group ?? ''}`
  if (metadata.name === required) return []
  const message = `Invalid value: ${JSON.stringify(metadata.name)}: must be \`spec.version+"."+spec.group\`: ${JSON.stringify(required)}`
  return [{ type: 'FieldValueInvalid', field: 'metadata.name', message }]
}

const apiServices: Strategy<APIService> = {
  initialStatus: () => ({}),
  validateName: isPathSegmentName,
  validateCreate: validateName,
  validateUpdate: validateName,
}

export const apiregistrationStrategies: Record<string, Strategy> = {
  'apiregistration.k8s.io/apiservices': apiServices as Strategy,
}

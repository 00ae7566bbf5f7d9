/** apiregistration.k8s.io: an APIService is named `<version>.<group>`, where the core group's is nothing. */
import { validateApiService, validateApiServiceStatus } from '../../../api/validation/apiServices.ts'
import { isPathSegmentName } from '../../../api/validation/names.ts'
import { timestamp } from '../../../api/meta.ts'
import { LOCAL } from '../../aggregation/availability.ts'
import type { APIService } from '../../../api/kinds/apiregistration/v1.ts'
import type { Strategy } from '../strategy.ts'

const apiServices: Strategy<APIService> = {
  initialStatus: ({ spec }) =>
    spec?.service ? {} : { conditions: [{ type: 'Available', ...LOCAL, lastTransitionTime: timestamp(Date.now()) }] },
  updateChecks: ['change', 'new'],
  anyFinalizers: true,
  validateName: isPathSegmentName,
  validateCreate: validateApiService,
  validateUpdate: validateApiService,
  validateStatusUpdate: validateApiServiceStatus,
}

export const apiregistrationStrategies: Record<string, Strategy> = {
  'apiregistration.k8s.io/apiservices': apiServices as Strategy,
}

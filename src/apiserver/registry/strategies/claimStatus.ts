/**
 * Who may say what of a ResourceClaim's status, beyond who may write it at all: its allocation is the scheduler's
 * (`resourceclaims/binding`), what is told of a device its driver's (`resourceclaims/driver`, by the driver's name), which may
 * be allowed for the claims of its own node alone.
 */
import type { FieldError } from '../../../api/status.ts'
import type { AllocatedDeviceStatus, ResourceClaim } from '../../../api/kinds/resource/v1.ts'
import { forbidden } from '../../../api/validation/fieldErrors.ts'
import { parseServiceAccountUserName } from '../../authentication/users.ts'
import type { UserInfo } from '../../request.ts'
import { semanticEqual } from '../../../api/jsonValues.ts'
import type { StrategyContext } from '../strategy.ts'

type Status = ResourceClaim['status']
type Asking = Pick<StrategyContext, 'user' | 'verb' | 'refusal'>

const NODE_NAME = 'authentication.kubernetes.io/node-name'

/** The one node that the devices are of. */
function nodeOf(status: Status): string | undefined {
  const terms = status?.allocation?.nodeSelector?.nodeSelectorTerms ?? []
  const { matchExpressions = [], matchFields = [] } = terms[0] ?? {}
  const [field] = matchFields
  if (terms.length !== 1 || matchExpressions.length > 0 || matchFields.length !== 1) return undefined
  return field?.key === 'metadata.name' && field.operator === 'In' && field.values?.length === 1 ? field.values[0] : undefined
}

/** A service account whose token is bound to a node is on it. */
function isOn({ name, extra }: UserInfo, node: string | undefined): boolean {
  const nodes = extra[NODE_NAME] ?? []
  return node !== undefined && parseServiceAccountUserName(name) !== undefined && nodes.length === 1 && nodes[0] === node
}

/** Drivers of whose devices something else is told. */
export function changedDrivers(next: Status, old: Status): string[] {
  const keyOf = ({ driver, pool, device, shareID }: AllocatedDeviceStatus): string => JSON.stringify([driver, pool, device, shareID ?? ''])
  const before = new Map((old?.devices ?? []).map((device) => [keyOf(device), device]))
  const drivers = new Set<string>()
  for (const device of next?.devices ?? []) {
    const known = before.get(keyOf(device))
    before.delete(keyOf(device))
    if (!known || !semanticEqual(known, device)) drivers.add(device.driver)
  }
  for (const { driver } of before.values()) drivers.add(driver)
  return [...drivers].toSorted()
}

export function claimStatusErrors(next: ResourceClaim, old: ResourceClaim, { user, verb, refusal }: Asking): FieldError[] {
  const errors: FieldError[] = []
  const [to, from] = [next.status, old.status]
  if (!semanticEqual(to?.allocation, from?.allocation) || !semanticEqual(to?.reservedFor ?? [], from?.reservedFor ?? [])) {
    const refused = refusal({ verb, subresource: 'binding', namespace: '', name: '' })
    const what = `changing status.allocation or status.reservedFor requires resource="resourceclaims/binding", verb="${verb}" permission`
    if (refused !== undefined) errors.push(forbidden('status.allocation', `${what}: ${refused}`))
  }
  // Without an allocation nothing is told of devices.
  if (!to?.allocation) return errors
  const verbs = [...(isOn(user, nodeOf(to)) ? [`associated-node:${verb}`] : []), `arbitrary-node:${verb}`]
  for (const name of changedDrivers(to, from)) {
    const namespace = next.metadata.namespace ?? ''
    const refusals = verbs.map((each) => refusal({ verb: each, subresource: 'driver', namespace, name }))
    if (refusals.includes(undefined)) continue
    const what = `changing status.devices requires resource="resourceclaims/driver", verb="[${verbs.join(' ')}]" permission`
    errors.push(forbidden('status.devices', `${what}: ${refusals[0]}`))
  }
  return errors
}

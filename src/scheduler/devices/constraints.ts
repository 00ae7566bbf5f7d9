/** What a claim asks of its devices together: that they are alike in an attribute, or all different. */
import type { DeviceAttribute, DeviceConstraint } from '../../api/kinds/resource/v1.ts'
import type { Choice, Wish } from './choices.ts'
import type { PoolDevice } from './pools.ts'

/** Whether something that names requests, or none of them for all, is about this one. */
export const covers = ({ requests = [] }: { requests?: readonly string[] }, { name }: Pick<Wish, 'name'>): boolean =>
  requests.length === 0 || requests.includes(name) || requests.includes(name.split('/')[0] as string)

/** Values of different types are different. */
function attributeOf({ driver, device }: PoolDevice, name: string): string | undefined {
  const attributes = device.attributes ?? {}
  const [domain, short] = name.includes('/') ? (name.split('/') as [string, string]) : [driver, name]
  const value: DeviceAttribute | undefined = attributes[name] ?? (domain === driver ? attributes[short] : undefined)
  if (!value) return undefined
  if (value.string !== undefined) return `string:${value.string}`
  if (value.int !== undefined) return `int:${value.int}`
  if (value.bool !== undefined) return `bool:${value.bool}`
  return value.version === undefined ? undefined : `version:${value.version}`
}

/** Whether a device may be added to those that were chosen for the claim. */
export function constraintKeeps(constraint: DeviceConstraint, ofClaim: readonly Choice[], wish: Wish, device: PoolDevice): boolean {
  if (!covers(constraint, wish)) return true
  const { matchAttribute, distinctAttribute } = constraint
  const value = attributeOf(device, matchAttribute ?? distinctAttribute ?? '')
  if (value === undefined) return false
  return ofClaim
    .filter((choice) => covers(constraint, choice.wish))
    .every(
      (choice) =>
        (attributeOf(choice.device, (matchAttribute ?? distinctAttribute) as string) === value) === (matchAttribute !== undefined),
    )
}

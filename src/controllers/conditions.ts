/** Lists of status conditions: replaced, never changed in place. */
import { findCondition, type AnyCondition } from '../api/meta.ts'

export function withoutCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, type: string): C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type)
}

/** With `next` in the place of its type; its transition time stays while its status does. Same status and reason: unchanged. */
export function withCondition<C extends AnyCondition>(conditions: readonly C[] | undefined, next: C): C[] {
  const known = findCondition(conditions, next.type)
  if (known?.status === next.status && known.reason === next.reason && known.message === next.message) return [...(conditions ?? [])]
  const lastTransitionTime = known?.status === next.status ? known.lastTransitionTime : next.lastTransitionTime
  const placed = { ...next, ...(lastTransitionTime !== undefined && { lastTransitionTime }) }
  if (!known) return [...(conditions ?? []), placed]
  return (conditions ?? []).map((condition) => (condition === known ? placed : condition))
}

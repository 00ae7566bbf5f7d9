/** Lists of status conditions: replaced, never changed in place. */

interface ConditionLike {
  type: string
  status: string
  reason?: string
  message?: string
  lastTransitionTime?: string
}

/** Whole seconds in RFC 3339, as metav1.Time has them. */
export function timeOf(ms: number): string {
  return new Date(Math.floor(ms / 1_000) * 1_000).toISOString().replace('.000Z', 'Z')
}

export function findCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, type: string): C | undefined {
  return conditions?.find((condition) => condition.type === type)
}

export function withoutCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, type: string): C[] {
  return (conditions ?? []).filter((condition) => condition.type !== type)
}

/** With `next` in the place of its type; its transition time stays while its status does. Same status and reason: unchanged. */
export function withCondition<C extends ConditionLike>(conditions: readonly C[] | undefined, next: C): C[] {
  const known = findCondition(conditions, next.type)
  if (known?.status === next.status && known.reason === next.reason && known.message === next.message) return [...(conditions ?? [])]
  const lastTransitionTime = known?.status === next.status ? known.lastTransitionTime : next.lastTransitionTime
  const placed = { ...next, ...(lastTransitionTime !== undefined && { lastTransitionTime }) }
  if (!known) return [...(conditions ?? []), placed]
  return (conditions ?? []).map((condition) => (condition === known ? placed : condition))
}

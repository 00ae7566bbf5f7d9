/** What may change in a pod once it is there: little, since its containers run already. */
import { forbidden, invalid, required } from '../fieldErrors.ts'
import { asGiven } from '../../codec/goShape.ts'
import { goInternal } from '../goInternal.ts'
import { lineDiff } from '../lineDiff.ts'
import { deepEqual } from '../../meta.ts'
import { checkTolerations } from './scheduling.ts'
import type {
  Affinity,
  Container,
  NodeAffinity,
  NodeSelectorTerm,
  Pod,
  PodSchedulingGate,
  PodSpec,
  Toleration,
} from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'

const MAX_INT32 = 2_147_483_647
const UPDATABLE = [
  '`spec.containers[*].image`',
  '`spec.initContainers[*].image`',
  '`spec.activeDeadlineSeconds`',
  '`spec.tolerations` (only additions to existing tolerations)',
  '`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)',
].join(',')

/** Answers whether the same containers are there. */
function checkContainerUpdates(errors: FieldError[], next: readonly Container[], old: readonly Container[], path: string): boolean {
  if (next.length !== old.length) {
    errors.push(forbidden(path, 'pod updates may not add or remove containers'))
    return false
  }
  for (const [i, { image }] of next.entries()) {
    if (!image) errors.push(required(`${path}[${i}].image`))
    else if (image.trim() !== image) errors.push(invalid(`${path}[${i}].image`, image, 'must not have leading or trailing whitespace'))
  }
  return true
}

/** Answers whether it is worth looking further. */
function checkDeadline(errors: FieldError[], next: number | undefined, old: number | undefined, path: string): boolean {
  if (next === undefined) {
    if (old !== undefined) errors.push(invalid(path, null, 'must not update from a positive integer to nil value'))
    return true
  }
  if (next < 0 || next > MAX_INT32) errors.push(invalid(path, next, `must be between 0 and ${MAX_INT32}, inclusive`))
  else if (old !== undefined && old < next) errors.push(invalid(path, next, 'must be less than or equal to previous value'))
  else return true
  return false
}

function withoutSeconds({ tolerationSeconds: _, ...rest }: Toleration): Omit<Toleration, 'tolerationSeconds'> {
  return rest
}

function checkTolerationUpdates(errors: FieldError[], next: readonly Toleration[], old: readonly Toleration[], path: string): void {
  const kept = old.every((one) => next.some((other) => deepEqual(withoutSeconds(one), withoutSeconds(other))))
  if (!kept) errors.push(forbidden(path, 'existing toleration can not be modified except its tolerationSeconds'))
  else checkTolerations(errors, next, path)
}

function checkGateUpdates(errors: FieldError[], next: readonly PodSchedulingGate[], old: readonly PodSchedulingGate[], path: string): void {
  for (const [i, { name }] of next.entries()) {
    if (old.some((gate) => gate.name === name)) continue
    errors.push(forbidden(`${path}[${i}].name`, `only deletion is allowed, but found new scheduling gate '${name}'`))
  }
}

function onlyAdds(next: NodeSelectorTerm | undefined, old: NodeSelectorTerm): boolean {
  const adds = (now: readonly unknown[] = [], before: readonly unknown[] = []): boolean =>
    now.length >= before.length && deepEqual(now.slice(0, before.length), before)
  if (!next) return false
  const wasEmpty = !old.matchExpressions?.length && !old.matchFields?.length
  if (wasEmpty && (next.matchExpressions?.length || next.matchFields?.length)) return false
  return adds(next.matchExpressions, old.matchExpressions) && adds(next.matchFields, old.matchFields)
}

/** A gated pod may be narrowed down to fewer nodes. */
function checkNarrowing(errors: FieldError[], next: NodeAffinity | undefined, old: NodeAffinity | undefined, path: string): void {
  const before = old?.requiredDuringSchedulingIgnoredDuringExecution?.nodeSelectorTerms
  if (!before) return
  const required = next?.requiredDuringSchedulingIgnoredDuringExecution
  const terms = required && asGiven(required, 'nodeSelectorTerms')
  const now = terms ?? []
  const shown = (term: NodeSelectorTerm | undefined): unknown => goInternal('core.v1.NodeSelectorTerm', term)
  const field = `${path}.requiredDuringSchedulingIgnoredDuringExecution.nodeSelectorTerms`
  if (before.length > 0 && before.length !== now.length) {
    errors.push(invalid(field, terms?.map(shown) ?? null, 'no additions/deletions to non-empty NodeSelectorTerms list are allowed'))
    return
  }
  before.forEach((term, i) => {
    if (!onlyAdds(now[i], term))
      errors.push(invalid(`${field}[${i}]`, shown(now[i]), 'only additions are allowed (no mutations or deletions)'))
  })
}

/** The affinity as it would be if its node part had not changed. */
function withNodeAffinity(affinity: Affinity | undefined, old: Affinity | undefined): Affinity | undefined {
  const { nodeAffinity: _, ...others } = affinity ?? {}
  const kept = old?.nodeAffinity ? { ...others, nodeAffinity: old.nodeAffinity } : others
  if (!old && Object.keys(kept).length === 0) return undefined
  return affinity || old?.nodeAffinity ? kept : affinity
}

function withImages(next: readonly Container[], old: readonly Container[]): Container[] {
  return next.map((container, i) => {
    const { image: _, ...rest } = container
    const image = old[i]?.image
    return image === undefined ? rest : { ...rest, image }
  })
}

function replaced<K extends keyof PodSpec>(spec: PodSpec, old: PodSpec, ...fields: K[]): PodSpec {
  const result = { ...spec }
  for (const field of fields) {
    if (old[field] === undefined) delete result[field]
    else result[field] = old[field]
  }
  return result
}

/** The new spec with everything put back that may change. */
function withoutAllowed(errors: FieldError[], spec: PodSpec, old: PodSpec, path: string): PodSpec {
  let result = replaced(spec, old, 'activeDeadlineSeconds', 'schedulingGates', 'tolerations')
  result.containers = withImages(spec.containers ?? [], old.containers ?? [])
  if (spec.initContainers && old.initContainers) result.initContainers = withImages(spec.initContainers, old.initContainers)
  if ((old.terminationGracePeriodSeconds ?? 0) < 0 && spec.terminationGracePeriodSeconds === 1)
    result = replaced(result, old, 'terminationGracePeriodSeconds')
  if (!old.schedulingGates?.length) return result
  const selector = spec.nodeSelector ?? {}
  if (Object.entries(old.nodeSelector ?? {}).some(([key, value]) => selector[key] !== value)) {
    errors.push(
      invalid(
        `${path}.nodeSelector`,
        asGiven(spec, 'nodeSelector') ?? null,
        'only additions to spec.nodeSelector are allowed (no mutations or deletions)',
      ),
    )
  }
  result = replaced(result, old, 'nodeSelector')
  if (deepEqual(spec.affinity?.nodeAffinity, old.affinity?.nodeAffinity)) return result
  checkNarrowing(errors, spec.affinity?.nodeAffinity, old.affinity?.nodeAffinity, `${path}.affinity.nodeAffinity`)
  const affinity = withNodeAffinity(spec.affinity, old.affinity)
  if (affinity) result.affinity = affinity
  else delete result.affinity
  return result
}

export function checkPodSpecUpdate(errors: FieldError[], { spec }: Pod, { spec: old }: Pod, path: string): void {
  if (!checkContainerUpdates(errors, spec.containers ?? [], old.containers ?? [], `${path}.containers`)) return
  if (!checkContainerUpdates(errors, spec.initContainers ?? [], old.initContainers ?? [], `${path}.initContainers`)) return
  if (!checkDeadline(errors, spec.activeDeadlineSeconds, old.activeDeadlineSeconds, `${path}.activeDeadlineSeconds`)) return
  checkTolerationUpdates(errors, spec.tolerations ?? [], old.tolerations ?? [], `${path}.tolerations`)
  checkGateUpdates(errors, spec.schedulingGates ?? [], old.schedulingGates ?? [], `${path}.schedulingGates`)
  if (deepEqual(spec, old)) return
  const munged = withoutAllowed(errors, spec, old, path)
  if (!deepEqual(munged, old))
    errors.push(
      forbidden(
        path,
        `pod updates may not change fields other than ${UPDATABLE}\n${lineDiff(goInternal('core.v1.PodSpec', old), goInternal('core.v1.PodSpec', munged))}`,
      ),
    )
}

/** What is left of a namespace that goes away, told as its conditions. */
import type { NamespaceCondition } from '../../api/kinds/core/v1.ts'
import { timestamp, withCondition } from '../../api/meta.ts'
import type { KubeObject, Resource } from '../../api/resource.ts'

export interface Remaining {
  resource: Resource
  objects: readonly KubeObject[]
}

/** `failures` are errors of deletions, by message; `undiscovered` are group versions whose resources are not known, with the reason. */
export function namespaceConditions(
  known: readonly NamespaceCondition[] | undefined,
  remaining: readonly Remaining[],
  failures: readonly string[],
  nowMs: number,
  undiscovered: readonly string[] = [],
): NamespaceCondition[] {
  const of = (type: string, problem: boolean, reason: string, message: string): NamespaceCondition => ({
    type,
    status: problem ? 'True' : 'False',
    reason,
    message,
  })
  const counts = remaining.map(({ resource, objects }) => `${resource.resource}.${resource.group} has ${objects.length} resource instances`)
  const finalizers = new Map<string, number>()
  for (const object of remaining.flatMap(({ objects }) => objects)) {
    for (const finalizer of object.metadata.finalizers ?? []) finalizers.set(finalizer, (finalizers.get(finalizer) ?? 0) + 1)
  }
  const held = [...finalizers]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([finalizer, count]) => `${finalizer} in ${count} resource instances`)
  const conditions = [
    undiscovered.length > 0
      ? of(
          'NamespaceDeletionDiscoveryFailure',
          true,
          'DiscoveryFailed',
          `Discovery failed for some groups, ${undiscovered.length} failing: unable to retrieve the complete list of server APIs: ${undiscovered.join(', ')}`,
        )
      : of('NamespaceDeletionDiscoveryFailure', false, 'ResourcesDiscovered', 'All resources successfully discovered'),
    of('NamespaceDeletionGroupVersionParsingFailure', false, 'ParsedGroupVersions', 'All legacy kube types successfully parsed'),
    failures.length > 0
      ? of(
          'NamespaceDeletionContentFailure',
          true,
          'ContentDeletionFailed',
          `Failed to delete all resource types, ${failures.length} remaining: ${failures.join(', ')}`,
        )
      : of('NamespaceDeletionContentFailure', false, 'ContentDeleted', 'All content successfully deleted, may be waiting on finalization'),
    counts.length > 0
      ? of('NamespaceContentRemaining', true, 'SomeResourcesRemain', `Some resources are remaining: ${counts.sort().join(', ')}`)
      : of('NamespaceContentRemaining', false, 'ContentRemoved', 'All content successfully removed'),
    held.length > 0
      ? of(
          'NamespaceFinalizersRemaining',
          true,
          'SomeFinalizersRemain',
          `Some content in the namespace has finalizers remaining: ${held.join(', ')}`,
        )
      : of('NamespaceFinalizersRemaining', false, 'ContentHasNoFinalizers', 'All content-preserving finalizers finished'),
  ]
  const now = timestamp(nowMs)
  return [...conditions.reduce<readonly NamespaceCondition[]>((list, next) => withCondition(list, next, now), known ?? [])]
}

/**
 * What a write may change, by the part of the object that it is about (rest.BeforeCreate and BeforeUpdate around a kind's
 * strategy): a new object begins with the status of its kind, an update leaves the other parts as they are, the generation counts.
 */
import { increment } from '../../api/codec/longIntegers.ts'
import { hidesEmptyOnes } from '../../api/codec/goShape.ts'
import { deepEqual } from '../../api/meta.ts'
import { cloneJson, semanticEqual } from '../../api/jsonValues.ts'
import { keepOnUpdate } from './objectMeta.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { StoredKind } from './kind.ts'
import type { Fields, StrategyContext } from './strategy.ts'

/** Which part of an object a write is about. */
export type Part = 'main' | 'status' | 'other'

/** The object before its kind's rules look at it. */
export function prepareNew(kind: StoredKind, object: KubeObject, context: StrategyContext): void {
  const { strategy } = kind
  const fields = object as unknown as Fields
  if (strategy.initialStatus !== 'keep') {
    if (strategy.initialStatus) fields['status'] = strategy.initialStatus(object)
    else if (kind.hasStatus && kind.custom) delete fields['status']
    else if (kind.hasStatus) fields['status'] = {}
  }
  strategy.prepareForCreate?.(object, context)
}

/** What belongs to another part of the object is taken from the old one; the generation counts the rest. */
export function prepareUpdate(kind: StoredKind, part: Part, next: KubeObject, old: KubeObject, context: StrategyContext): void {
  const { generation } = next.metadata
  keepOnUpdate(next, old)
  const { strategy } = kind
  if (part === 'other') {
    // Subresources with rules of their own count for themselves.
    if (generation !== undefined) next.metadata.generation = generation
    return
  }
  const fields = next as unknown as Fields
  const oldFields = old as unknown as Fields
  if (part === 'status') {
    for (const field of new Set([...Object.keys(fields), ...Object.keys(oldFields)])) {
      if (field === 'status' || field === 'metadata') continue
      if (oldFields[field] === undefined) delete fields[field]
      else fields[field] = oldFields[field]
    }
    if (!strategy.statusKeepsMetadata) {
      const { managedFields, generateName } = next.metadata
      next.metadata = { ...cloneJson(old.metadata), ...(managedFields && { managedFields }) }
      if (generateName === undefined) delete next.metadata.generateName
      else next.metadata.generateName = generateName
    }
    strategy.prepareForStatusUpdate?.(next, old, context)
    return
  }
  if (kind.hasStatus) {
    if (oldFields['status'] === undefined) delete fields['status']
    else fields['status'] = oldFields['status']
  }
  strategy.prepareForUpdate?.(next, old, context)
}

/** `sent` is what counts of the next object. */
export function countGeneration(kind: StoredKind, next: KubeObject, sent: KubeObject, old: KubeObject): void {
  // Both are in Go's shape, where an empty struct that is pointed to is not the same as none.
  const { metadata: meta, status: _, ...rest } = sent as unknown as Fields & KubeObject
  const { metadata: oldMeta, status: __, ...oldRest } = old as unknown as Fields & KubeObject
  const changed =
    !deepEqual(rest, oldRest) ||
    (kind.strategy.generationCountsEmpty && hidesEmptyOnes(rest)) ||
    (kind.custom && !kind.hasStatus && !deepEqual((sent as unknown as Fields)['status'], (old as unknown as Fields)['status']))
  const counts = kind.strategy.generationCounts ?? []
  if (changed || counts.some((member) => !semanticEqual(meta[member], oldMeta[member])))
    next.metadata.generation = increment(oldMeta.generation ?? 0)
}

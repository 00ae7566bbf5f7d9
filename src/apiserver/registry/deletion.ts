/**
 * What a DELETE does to an object (k8s.io/apiserver's BeforeDelete and the garbage collection finalizers): remove it,
 * mark it as being deleted, or leave it because that has happened already.
 */
import { increment } from '../../api/codec/longIntegers.ts'
import { timestamp } from '../../api/meta.ts'
import { newConflict } from '../../api/status.ts'
import type { GroupResource } from '../../api/status.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { DeleteOptions } from './options.ts'
import type { Strategy } from './strategy.ts'

const ORPHAN = 'orphan'
const FOREGROUND = 'foregroundDeletion'

export type DeletionPlan =
  /** `object` is what the client is shown; where it `shows`, it is written once before it goes, for watchers to see. */
  { type: 'remove'; object: KubeObject; shows?: boolean } | { type: 'mark'; object: KubeObject } | { type: 'leave' }

export function checkPreconditions(kind: GroupResource, object: KubeObject, preconditions: DeleteOptions['preconditions']): void {
  const { name, uid, resourceVersion } = object.metadata
  if (preconditions.uid !== undefined && preconditions.uid !== uid) {
    const why = `the UID in the precondition (${preconditions.uid}) does not match the UID in record (${uid}). The object might have been deleted and then recreated`
    throw newConflict(kind, name, why)
  }
  if (preconditions.resourceVersion !== undefined && preconditions.resourceVersion !== resourceVersion) {
    const why = `the ResourceVersion in the precondition (${preconditions.resourceVersion}) does not match the ResourceVersion in record (${resourceVersion}). The object might have been modified`
    throw newConflict(kind, name, why)
  }
}

/** The finalizers that the propagation policy asks the garbage collector to work off. */
function finalizersFor(object: KubeObject, options: DeleteOptions, strategy: Strategy): string[] {
  const existing = object.metadata.finalizers ?? []
  const others = existing.filter((finalizer) => finalizer !== ORPHAN && finalizer !== FOREGROUND)
  if (options.orphanDependents !== undefined) return options.orphanDependents ? [...others, ORPHAN] : others
  switch (options.propagationPolicy) {
    case 'Orphan':
      return [...others, ORPHAN]
    case 'Foreground':
      return [...others, FOREGROUND]
    case 'Background':
      return others
    case undefined:
      if (existing.includes(ORPHAN) || existing.includes(FOREGROUND)) return [...existing]
      return strategy.defaultPropagation === 'Orphan' ? [...others, ORPHAN] : others
  }
}

function sameFinalizers(a: readonly string[], b: readonly string[]): boolean {
  return a.length === b.length && a.every((finalizer) => b.includes(finalizer))
}

/** Go's durations are nanoseconds in 64 bits, and go around. */
const durationMs = (seconds: number): number => Number(BigInt.asIntN(64, BigInt(seconds) * 1_000_000_000n) / 1_000_000n)

/** With metadata of its own; nothing else of an object that is on its way out changes in place. */
const ownMetadata = (object: KubeObject): KubeObject => ({ ...object, metadata: { ...object.metadata } })

function mark(object: KubeObject, nowMs: number, graceSeconds: number, finalizers: readonly string[]): KubeObject {
  const next = ownMetadata(object)
  const { metadata } = next
  if (metadata.deletionTimestamp) metadata.deletionGracePeriodSeconds ??= graceSeconds
  else {
    metadata.deletionTimestamp = timestamp(nowMs + durationMs(graceSeconds))
    metadata.deletionGracePeriodSeconds = graceSeconds
    if (metadata.generation) metadata.generation = increment(metadata.generation)
  }
  if (finalizers.length > 0) metadata.finalizers = [...finalizers]
  else delete metadata.finalizers
  return next
}

/** A running grace period can only become shorter. */
function shorten(object: KubeObject, nowMs: number, graceSeconds: number): KubeObject {
  const next = ownMetadata(object)
  const { metadata } = next
  const startedMs = Date.parse(metadata.deletionTimestamp as string) - durationMs(metadata.deletionGracePeriodSeconds ?? 0)
  metadata.deletionTimestamp = timestamp(Math.max(startedMs + durationMs(graceSeconds), nowMs))
  metadata.deletionGracePeriodSeconds = graceSeconds
  return next
}

/** A grace period below zero is the shortest that there is. */
const LEAST_GRACE_SECONDS = 1

function withGrace(options: DeleteOptions): DeleteOptions {
  return (options.gracePeriodSeconds ?? 0) < 0 ? { ...options, gracePeriodSeconds: LEAST_GRACE_SECONDS } : options
}

export function planDeletion(object: KubeObject, given: DeleteOptions, strategy: Strategy, nowMs: number): DeletionPlan {
  if (strategy.marked && !object.metadata.deletionTimestamp) return { type: 'mark', object: strategy.marked(object, timestamp(nowMs)) }
  const options = withGrace(given)
  const { metadata } = object
  const graceful = strategy.gracePeriodSeconds !== undefined
  const grace = strategy.gracePeriodSeconds?.(object, options.gracePeriodSeconds)
  const finalizers = finalizersFor(object, options, strategy)
  const stays = finalizers.length > 0 || (strategy.mustStay?.(object) ?? false)

  if (metadata.deletionTimestamp) {
    const running = metadata.deletionGracePeriodSeconds ?? 0
    if (graceful && running > 0 && options.gracePeriodSeconds !== 0) {
      const asked = options.gracePeriodSeconds
      return asked !== undefined && asked < running ? { type: 'mark', object: shorten(object, nowMs, asked) } : { type: 'leave' }
    }
    if (!stays) return { type: 'remove', object: graceful && running > 0 ? shorten(object, nowMs, 0) : object }
    if (graceful && running > 0) return { type: 'mark', object: shorten({ ...object, metadata: { ...metadata, finalizers } }, nowMs, 0) }
    const isMarked = metadata.deletionGracePeriodSeconds !== undefined && sameFinalizers(metadata.finalizers ?? [], finalizers)
    return isMarked ? { type: 'leave' } : { type: 'mark', object: mark(object, nowMs, 0, finalizers) }
  }
  if (grace !== undefined && grace > 0) return { type: 'mark', object: mark(object, nowMs, grace, finalizers) }
  if (stays) return { type: 'mark', object: mark(object, nowMs, 0, finalizers) }
  return graceful ? { type: 'remove', object: mark(object, nowMs, 0, finalizers), shows: true } : { type: 'remove', object }
}

/** Whether an update has taken the last thing that held a deleted object. */
export function isDeletable(object: KubeObject, strategy: Strategy): boolean {
  const { deletionTimestamp, deletionGracePeriodSeconds, finalizers } = object.metadata
  return Boolean(deletionTimestamp) && !finalizers?.length && !deletionGracePeriodSeconds && !(strategy.mustStay?.(object) ?? false)
}

/** A pod as the runtime has it: the observation that plans and statuses are made from. */
import type { Container, Sandbox } from '../runtime/runtime.ts'

export interface PodRuntimeStatus {
  /** Newest first. */
  readonly sandboxes: readonly Sandbox[]
  /** By container name, newest attempt first. */
  readonly containers: ReadonlyMap<string, readonly Container[]>
}

export const nothingRuns: PodRuntimeStatus = { sandboxes: [], containers: new Map() }

export function toPodRuntimeStatus(listed: { sandboxes: readonly Sandbox[]; containers: readonly Container[] }): PodRuntimeStatus {
  const containers = new Map<string, Container[]>()
  for (const container of listed.containers.toSorted((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs)) {
    const ofName = containers.get(container.name)
    if (ofName) ofName.push(container)
    else containers.set(container.name, [container])
  }
  return { sandboxes: listed.sandboxes.toSorted((a, b) => b.attempt - a.attempt || b.createdAtMs - a.createdAtMs), containers }
}

/** Splits a listing of the whole runtime by pod uid. */
export function byPod(listed: { sandboxes: readonly Sandbox[]; containers: readonly Container[] }): Map<string, PodRuntimeStatus> {
  const uids = new Set([...listed.sandboxes, ...listed.containers].map((item) => item.podUid))
  const of = <T extends { podUid: string }>(items: readonly T[], uid: string): T[] => items.filter((item) => item.podUid === uid)
  return new Map(
    [...uids].map((uid) => [uid, toPodRuntimeStatus({ sandboxes: of(listed.sandboxes, uid), containers: of(listed.containers, uid) })]),
  )
}

export function latest(status: PodRuntimeStatus, name: string): Container | undefined {
  return status.containers.get(name)?.[0]
}

export function allContainers(status: PodRuntimeStatus): Container[] {
  return [...status.containers.values()].flat()
}

export function readySandbox(status: PodRuntimeStatus): Sandbox | undefined {
  const newest = status.sandboxes[0]
  return newest?.state === 'Ready' ? newest : undefined
}

const ENGINE_SCHEME = 'docker://'

/** A container's id as its status names it. */
export function containerIdOf(id: string): string {
  return `${ENGINE_SCHEME}${id}`
}

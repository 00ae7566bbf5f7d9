/** What is left of a pod's containers and sandboxes that ended: one of each name is kept for its log. */
import { allContainers } from '../pods/podRuntimeStatus.ts'
import type { PodRuntimeStatus } from '../pods/podRuntimeStatus.ts'
import type { Runtime } from '../runtime/runtime.ts'

/** No sandbox stays that nothing belongs to. */
export async function removeOld(runtime: Runtime, observed: PodRuntimeStatus): Promise<void> {
  const old = [...observed.containers.values()].flatMap((attempts) =>
    attempts.filter((c) => c.state !== 'Running').slice(attempts[0]?.state === 'Running' ? 1 : 2),
  )
  await Promise.all(old.map((container) => runtime.removeContainer(container.id)))
  const kept = new Set(
    allContainers(observed)
      .filter((container) => !old.includes(container))
      .map((container) => container.sandboxId),
  )
  const empty = observed.sandboxes.slice(1).filter((sandbox) => sandbox.state === 'NotReady' && !kept.has(sandbox.id))
  await Promise.all(empty.map((sandbox) => runtime.removeSandbox(sandbox.id)))
}

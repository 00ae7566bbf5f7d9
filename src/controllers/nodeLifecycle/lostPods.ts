/**
 * The pods that are to be told that their node is not ready: those that were on it when it was lost, and those that are first seen on a
 * lost one. What somebody says of a pod later is left alone, as upstream leaves it. No I/O.
 */
import type { Node, Pod } from '../../api/kinds/core/v1.ts'
import { keyOf } from '../../api/resource.ts'
import type { Change } from '../../client/informer.ts'
import { readinessTaint } from './plan.ts'

const NONE: ReadonlySet<string> = new Set()

export class LostPods {
  readonly #byNode = new Map<string, Set<string>>()

  add(nodeName: string, pods: readonly Pod[]): void {
    const known = this.#byNode.get(nodeName) ?? new Set()
    for (const pod of pods) known.add(keyOf(pod))
    this.#byNode.set(nodeName, known)
  }

  /** Answers the name of the node to look at when a pod has come to one that is lost, or not known yet. */
  arrived({ before, after }: Change<Pod>, nodeOf: (name: string) => Node | undefined): string | undefined {
    const nodeName = after?.spec.nodeName
    if (!nodeName || before?.spec.nodeName === nodeName) return undefined
    const node = nodeOf(nodeName)
    if (node && !readinessTaint(node)) return undefined
    this.add(nodeName, [after])
    return nodeName
  }

  /** Keys of the pods that are still to be told. A node that is ready again has none. */
  of(node: Node): ReadonlySet<string> {
    const { name } = node.metadata
    if (!readinessTaint(node)) this.#byNode.delete(name)
    return this.#byNode.get(name) ?? NONE
  }

  told(nodeName: string): void {
    this.#byNode.delete(nodeName)
  }
}

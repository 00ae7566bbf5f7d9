/** What plugins can do for a pod that fits nowhere: they are asked in turn, and what those say that cannot help is put together. */
import { FITS, type Plugin, type PostFilterInput, type PostFilterResult, type Refusal, type View } from './framework.ts'
import type { PodInfo } from './podInfo.ts'
import type { NotFound } from './schedulePod.ts'

export function askPostFilters(
  info: PodInfo,
  view: View,
  plugins: readonly Plugin[],
  { cycle, diagnosis }: NotFound,
): PostFilterResult | Promise<PostFilterResult> {
  const { refusals, preFilter, absent } = diagnosis
  const forAll = preFilter ?? absent
  const all: ReadonlyMap<string, Refusal> = forAll ? new Map(view.nodes.map(({ name }) => [name, refusals.get(name) ?? forAll])) : refusals
  const input: PostFilterInput = {
    pod: info,
    view,
    refusals: all,
    prepared: (name) => cycle.prepared(name),
    filter: (node) => cycle.filter(node) ?? FITS,
    addPod: (pod, node) => cycle.addPod(pod, node),
    removePod: (pod, node) => cycle.removePod(pod, node),
  }
  const messages: string[] = []
  let nominatedNodeName: string | undefined
  for (const plugin of plugins) {
    // A plugin that was never asked to prepare itself has no state to look at: that is what upstream says then.
    if (preFilter && plugin.prepare && preFilter.plugin !== plugin.name && !cycle.wasAsked(plugin.name)) return { message: 'not found' }
    const result = plugin.postFilter?.(input)
    if (!result) continue
    // Only the last plugin may have to wait (for extenders).
    if (result instanceof Promise) return result.then((later) => joined(messages, later))
    if (result.message === undefined || result.isError) return result
    messages.push(result.message)
    nominatedNodeName = result.nominatedNodeName ?? nominatedNodeName
  }
  return { message: messages.join(', '), ...(nominatedNodeName !== undefined && { nominatedNodeName }) }
}

const joined = (messages: readonly string[], result: PostFilterResult): PostFilterResult =>
  result.message === undefined ? result : { ...result, message: [...messages, result.message].join(', ') }

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
  return askFrom(0, { messages: [] })

  /** Waits only for plugins that have something to wait for. */
  function askFrom(at: number, before: Collected): PostFilterResult | Promise<PostFilterResult> {
    const plugin = plugins[at]
    if (!plugin) return { ...before.nominated, message: before.messages.join(', ') }
    // A plugin that was never asked to prepare itself has no state to look at: that is what upstream says then.
    if (preFilter && plugin.prepare && preFilter.plugin !== plugin.name && !cycle.wasAsked(plugin.name)) return { message: 'not found' }
    const result = plugin.postFilter?.(input)
    const goOn = (answer: PostFilterResult | undefined): PostFilterResult | Promise<PostFilterResult> => {
      if (!answer) return askFrom(at + 1, before)
      if (answer.message === undefined || answer.isError) return answer
      const { nominatedNodeName } = answer
      const nominated = nominatedNodeName === undefined ? before.nominated : { nominatedNodeName }
      return askFrom(at + 1, { messages: [...before.messages, answer.message], ...(nominated && { nominated }) })
    }
    return result instanceof Promise ? result.then(goOn) : goOn(result)
  }
}

interface Collected {
  messages: readonly string[]
  nominated?: { nominatedNodeName: string }
}

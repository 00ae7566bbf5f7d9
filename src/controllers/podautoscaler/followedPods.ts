/** Whose pods each autoscaler follows, once it has seen its target: two must not follow the same. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { splitKey } from '../../api/resource.ts'
import { matchesLabels, parseLabelSelector, SelectorError, type LabelRequirement } from '../../api/selectors.ts'
import type { Informer } from '../../client/informer.ts'
import type { SelectorVerdict } from './plan.ts'

interface Followed {
  verdict: SelectorVerdict
  selected: Pod[]
}

const refuse = (event: string, reason: string, message: string, condition = message): Followed => ({
  verdict: { ok: false, event, reason, message, condition },
  selected: [],
})

export class FollowedPods {
  readonly #pods: Informer<Pod>
  readonly #selectors = new Map<string, readonly LabelRequirement[]>()

  constructor(pods: Informer<Pod>) {
    this.#pods = pods
  }

  check(key: string, text: string): Followed {
    if (text === '')
      return refuse('SelectorRequired', 'InvalidSelector', 'selector is required', "the HPA target's scale is missing a selector")
    let requirements: readonly LabelRequirement[]
    try {
      requirements = parseLabelSelector(text)
    } catch (error) {
      if (!(error instanceof SelectorError)) throw error
      const message = `couldn't convert selector into a corresponding internal selector object: ${error.message}`
      return refuse('InvalidSelector', 'InvalidSelector', message)
    }
    this.#selectors.set(key, requirements)
    const { namespace } = splitKey(key)
    const selected = this.#pods.list(namespace).filter((pod) => matchesLabels(requirements, pod.metadata.labels))
    const rivals = [...this.#selectors]
      .map(([other, theirs]) => ({ ...splitKey(other), theirs }))
      .filter(({ namespace: where, theirs }) => where === namespace && selected.some((pod) => matchesLabels(theirs, pod.metadata.labels)))
    if (rivals.length < 2) return { verdict: { ok: true }, selected }
    const names = rivals
      .map(({ name }) => `${namespace}/${name}`)
      .sort()
      .join(' ')
    return refuse('AmbiguousSelector', 'AmbiguousSelector', `pods by selector ${text} are controlled by multiple HPAs: [${names}]`)
  }

  delete(key: string): void {
    this.#selectors.delete(key)
  }
}

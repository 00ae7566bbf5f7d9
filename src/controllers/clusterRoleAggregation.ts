/** The clusterrole-aggregation controller: a ClusterRole with an aggregation rule has the rules of all that its selectors match. */
import { clusterroles, type ClusterRole, type PolicyRule } from '../api/kinds/rbac/v1.ts'
import { labelSelectorMatches } from '../api/selectors.ts'
import { watch, type Controller, type ControllerContext } from '../reconcile/controller.ts'
import { canonicalJson, semanticallyEqual } from './hash.ts'

export function aggregatedRules(role: ClusterRole, all: readonly ClusterRole[]): PolicyRule[] {
  const rules = new Map<string, PolicyRule>()
  const byName = all.toSorted((a, b) => (a.metadata.name < b.metadata.name ? -1 : 1))
  for (const selector of role.aggregationRule?.clusterRoleSelectors ?? []) {
    for (const source of byName) {
      if (source.metadata.name === role.metadata.name || !labelSelectorMatches(selector, source.metadata.labels)) continue
      for (const rule of source.rules ?? []) {
        const id = canonicalJson(rule)
        if (!rules.has(id)) rules.set(id, rule)
      }
    }
  }
  return [...rules.values()]
}

/** The rules are applied under this name: people keep what else they wrote of the role. */
const MANAGER = 'clusterrole-aggregation-controller'

export function clusterRoleAggregationController({ client, informers }: ControllerContext): Controller {
  const informer = informers.for(clusterroles)
  const aggregating = (changed: ClusterRole): string[] =>
    informer
      .list()
      .filter(
        (role) =>
          role === changed ||
          role.aggregationRule?.clusterRoleSelectors?.some((selector) => labelSelectorMatches(selector, changed.metadata.labels)),
      )
      .map((role) => role.metadata.name)
  return {
    name: MANAGER,
    watches: [watch(clusterroles, aggregating)],
    async reconcile(key, signal) {
      const role = informer.get(key)
      if (!role?.aggregationRule) return
      const rules = aggregatedRules(role, informer.list())
      if (semanticallyEqual(rules, role.rules)) return
      const options = { name: key, type: 'application/apply-patch+yaml', fieldManager: MANAGER, force: true, signal } as const
      await client.patch(clusterroles, options, {
        apiVersion: 'rbac.authorization.k8s.io/v1',
        kind: 'ClusterRole',
        metadata: { name: key },
        rules,
      })
    },
  }
}

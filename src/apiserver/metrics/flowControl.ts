/** Which flow schema a request counts under: the uids that every answer carries. Limits are the server's own (transport/inFlight). */
import type { Loopback } from '../bootstrap/bootstrap.ts'
import type { UserInfo } from '../request.ts'

const GROUP = 'flowcontrol.apiserver.k8s.io'

/** The default schemas that tell users apart, first match first, and the level that each leads to. */
const BY_USER: readonly { schema: string; level: string; matches: (user: UserInfo) => boolean }[] = [
  { schema: 'exempt', level: 'exempt', matches: (user) => user.groups.includes('system:masters') },
  { schema: 'system-nodes', level: 'system', matches: (user) => user.groups.includes('system:nodes') },
  { schema: 'kube-controller-manager', level: 'workload-high', matches: (user) => user.name === 'system:kube-controller-manager' },
  { schema: 'kube-scheduler', level: 'workload-high', matches: (user) => user.name === 'system:kube-scheduler' },
  {
    schema: 'kube-system-service-accounts',
    level: 'workload-high',
    matches: (user) => user.name.startsWith('system:serviceaccount:kube-system:'),
  },
  { schema: 'service-accounts', level: 'workload-low', matches: (user) => user.groups.includes('system:serviceaccounts') },
  { schema: 'global-default', level: 'global-default', matches: () => true },
]

export interface FlowHeaders {
  'x-kubernetes-pf-flowschema-uid': string
  'x-kubernetes-pf-prioritylevel-uid': string
}

export class FlowControl {
  readonly #headers = new Map<string, FlowHeaders>()

  async load(loopback: Loopback): Promise<void> {
    const [schemas, levels] = await Promise.all([
      loopback.list(loopback.resource(GROUP, 'v1', 'flowschemas')),
      loopback.list(loopback.resource(GROUP, 'v1', 'prioritylevelconfigurations')),
    ])
    for (const { schema, level } of BY_USER) {
      this.#headers.set(schema, {
        'x-kubernetes-pf-flowschema-uid': schemas.get(schema)?.metadata.uid ?? '',
        'x-kubernetes-pf-prioritylevel-uid': levels.get(level)?.metadata.uid ?? '',
      })
    }
  }

  headersFor(user: UserInfo): FlowHeaders | undefined {
    const row = BY_USER.find(({ matches }) => matches(user))
    return row && this.#headers.get(row.schema)
  }
}

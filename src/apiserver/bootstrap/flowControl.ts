/** Upstream's default flow schemas and priority levels (apiserver/pkg/apis/flowcontrol/bootstrap), as data. */
import type {
  FlowSchema,
  NonResourcePolicyRule,
  PriorityLevelConfiguration,
  PriorityLevelConfigurationSpec,
  ResourcePolicyRule,
  Subject,
} from '../../api/kinds/flowcontrol/v1.ts'
import type { Draft } from '../../api/resource.ts'

const API_VERSION = 'flowcontrol.apiserver.k8s.io/v1'
const ANNOTATIONS = { 'apf.kubernetes.io/autoupdate-spec': 'true' }

function limited(
  shares: number,
  lendablePercent: number,
  queuing?: { queues: number; handSize: number; queueLengthLimit: number },
): PriorityLevelConfigurationSpec {
  const limitResponse = queuing ? { type: 'Queue', queuing } : { type: 'Reject' }
  return { type: 'Limited', limited: { nominalConcurrencyShares: shares, limitResponse, lendablePercent } }
}

const queue = (queues: number, handSize = 6): { queues: number; handSize: number; queueLengthLimit: number } => ({
  queues,
  handSize,
  queueLengthLimit: 50,
})

const LEVELS: Readonly<Record<string, PriorityLevelConfigurationSpec>> = {
  exempt: { type: 'Exempt', exempt: { nominalConcurrencyShares: 0, lendablePercent: 0 } },
  'catch-all': limited(5, 0),
  system: limited(30, 33, queue(64)),
  'node-high': limited(40, 25, queue(64)),
  'leader-election': limited(10, 0, queue(16, 4)),
  'workload-high': limited(40, 50, queue(128)),
  'workload-low': limited(100, 90, queue(128)),
  'global-default': limited(20, 50, queue(128)),
}

const user = (name: string): Subject => ({ kind: 'User', user: { name } })
const group = (name: string): Subject => ({ kind: 'Group', group: { name } })
const KUBE_SYSTEM_ACCOUNTS: Subject = { kind: 'ServiceAccount', serviceAccount: { namespace: 'kube-system', name: '*' } }
const EVERYBODY = [group('system:unauthenticated'), group('system:authenticated')]

const inGroup = (verbs: string[], apiGroup: string, resources: string[], clusterScope = false): ResourcePolicyRule => ({
  verbs,
  apiGroups: [apiGroup],
  resources,
  ...(clusterScope && { clusterScope }),
  namespaces: ['*'],
})
const ALL_RESOURCES = [inGroup(['*'], '*', ['*'], true)]
const ALL_PATHS: NonResourcePolicyRule[] = [{ verbs: ['*'], nonResourceURLs: ['*'] }]

interface SchemaRow {
  name: string
  level: string
  precedence: number
  by?: 'ByUser' | 'ByNamespace'
  subjects: Subject[]
  resources?: ResourcePolicyRule[]
  paths?: NonResourcePolicyRule[]
}

const ALL = { resources: ALL_RESOURCES, paths: ALL_PATHS }

const SCHEMAS: readonly SchemaRow[] = [
  { name: 'exempt', level: 'exempt', precedence: 1, subjects: [group('system:masters')], ...ALL },
  {
    name: 'probes',
    level: 'exempt',
    precedence: 2,
    subjects: EVERYBODY,
    paths: [{ verbs: ['get'], nonResourceURLs: ['/healthz', '/readyz', '/livez'] }],
  },
  {
    name: 'system-leader-election',
    level: 'leader-election',
    precedence: 100,
    by: 'ByUser',
    subjects: [user('system:kube-controller-manager'), user('system:kube-scheduler'), KUBE_SYSTEM_ACCOUNTS],
    resources: [inGroup(['get', 'create', 'update'], 'coordination.k8s.io', ['leases'])],
  },
  {
    name: 'system-node-high',
    level: 'node-high',
    precedence: 400,
    by: 'ByUser',
    subjects: [group('system:nodes')],
    resources: [inGroup(['*'], '', ['nodes', 'nodes/status'], true), inGroup(['*'], 'coordination.k8s.io', ['leases'])],
  },
  { name: 'system-nodes', level: 'system', precedence: 500, by: 'ByUser', subjects: [group('system:nodes')], ...ALL },
  {
    name: 'kube-controller-manager',
    level: 'workload-high',
    precedence: 800,
    by: 'ByNamespace',
    subjects: [user('system:kube-controller-manager')],
    ...ALL,
  },
  { name: 'kube-scheduler', level: 'workload-high', precedence: 800, by: 'ByNamespace', subjects: [user('system:kube-scheduler')], ...ALL },
  {
    name: 'kube-system-service-accounts',
    level: 'workload-high',
    precedence: 900,
    by: 'ByNamespace',
    subjects: [KUBE_SYSTEM_ACCOUNTS],
    ...ALL,
  },
  { name: 'service-accounts', level: 'workload-low', precedence: 9000, by: 'ByUser', subjects: [group('system:serviceaccounts')], ...ALL },
  { name: 'global-default', level: 'global-default', precedence: 9900, by: 'ByUser', subjects: EVERYBODY, ...ALL },
  { name: 'catch-all', level: 'catch-all', precedence: 10000, by: 'ByUser', subjects: EVERYBODY, ...ALL },
]

export function priorityLevels(): Draft<PriorityLevelConfiguration>[] {
  return Object.entries(LEVELS).map(([name, spec]) => ({
    apiVersion: API_VERSION,
    kind: 'PriorityLevelConfiguration',
    metadata: { name, annotations: ANNOTATIONS },
    spec,
  }))
}

export function flowSchemas(): Draft<FlowSchema>[] {
  return SCHEMAS.map(({ name, level, precedence, by, subjects, resources, paths }) => ({
    apiVersion: API_VERSION,
    kind: 'FlowSchema',
    metadata: { name, annotations: ANNOTATIONS },
    spec: {
      priorityLevelConfiguration: { name: level },
      matchingPrecedence: precedence,
      ...(by && { distinguisherMethod: { type: by } }),
      rules: [{ subjects, ...(resources && { resourceRules: resources }), ...(paths && { nonResourceRules: paths }) }],
    },
  }))
}

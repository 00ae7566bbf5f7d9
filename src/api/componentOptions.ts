/**
 * The options of Kubernetes' components that can be set from outside, by upstream's flag names: `--extra-config
 * COMPONENT.KEY=VALUE` in the manner of minikube. Read on the host, so that a mistake is told before anything is started, and
 * again in the node.
 */
import { ADMISSION_PLUGINS, OTHER_ADMISSION_PLUGINS } from './admissionPluginNames.ts'
import { imageOptionsProblem } from './kubeletImageOptions.ts'
import { parseValue, WANTED, type Kind, type Values } from './componentOptionValues.ts'

/** Whose leader is one of several processes. */
const LEADER_ELECTION = {
  'leader-elect': 'boolean',
  'leader-elect-lease-duration': 'duration',
  'leader-elect-renew-deadline': 'duration',
  'leader-elect-resource-name': 'text',
  'leader-elect-resource-namespace': 'text',
  'leader-elect-retry-period': 'duration',
} as const

const OPTIONS = {
  apiserver: {
    'anonymous-auth': 'boolean',
    'api-audiences': 'list',
    'audit-policy-file': 'text',
    'authentication-config': 'text',
    'authorization-config': 'text',
    'authorization-mode': 'list',
    'default-not-ready-toleration-seconds': 'count',
    'default-unreachable-toleration-seconds': 'count',
    'disable-admission-plugins': 'list',
    'enable-admission-plugins': 'list',
    'encryption-provider-config': 'text',
    'encryption-provider-config-automatic-reload': 'boolean',
    'event-ttl': 'duration',
    'max-mutating-requests-inflight': 'count',
    'max-requests-inflight': 'count',
    'oidc-ca-file': 'text',
    'oidc-client-id': 'text',
    'oidc-groups-claim': 'text',
    'oidc-groups-prefix': 'text',
    'oidc-issuer-url': 'text',
    'oidc-required-claim': 'labels',
    'oidc-signing-algs': 'list',
    'oidc-username-claim': 'text',
    'oidc-username-prefix': 'text',
    'request-timeout': 'duration',
    'service-account-issuer': 'list',
    'service-node-port-range': 'ports',
    'shutdown-delay-duration': 'duration',
    'audit-log-path': 'text',
    'audit-log-maxsize': 'count',
    'audit-log-maxbackup': 'count',
    'audit-log-maxage': 'count',
    'audit-log-truncate-enabled': 'boolean',
    'audit-log-truncate-max-batch-size': 'positive',
    'audit-log-truncate-max-event-size': 'positive',
    'audit-webhook-truncate-enabled': 'boolean',
    'audit-webhook-truncate-max-batch-size': 'positive',
    'audit-webhook-truncate-max-event-size': 'positive',
    'audit-webhook-config-file': 'text',
    'audit-webhook-mode': 'text',
    'audit-webhook-initial-backoff': 'duration',
    'audit-webhook-batch-buffer-size': 'positive',
    'audit-webhook-batch-max-size': 'positive',
    'audit-webhook-batch-max-wait': 'duration',
    'audit-webhook-batch-throttle-enable': 'boolean',
    'audit-webhook-batch-throttle-qps': 'positive',
    'audit-webhook-batch-throttle-burst': 'positive',
    'token-auth-file': 'text',
  },
  'controller-manager': {
    'cluster-signing-duration': 'duration',
    controllers: 'list',
    'concurrent-cron-job-syncs': 'positive',
    'concurrent-daemonset-syncs': 'positive',
    'concurrent-deployment-syncs': 'positive',
    'concurrent-device-taint-eviction-syncs': 'positive',
    'concurrent-endpoint-syncs': 'positive',
    'concurrent-ephemeralvolume-syncs': 'positive',
    'concurrent-gc-syncs': 'positive',
    'concurrent-horizontal-pod-autoscaler-syncs': 'positive',
    'concurrent-job-syncs': 'positive',
    'concurrent-namespace-syncs': 'positive',
    'concurrent-rc-syncs': 'positive',
    'concurrent-replicaset-syncs': 'positive',
    'concurrent-resource-quota-syncs': 'positive',
    'concurrent-resourceclaim-syncs': 'positive',
    'concurrent-service-endpoint-syncs': 'positive',
    'concurrent-serviceaccount-token-syncs': 'positive',
    'concurrent-statefulset-syncs': 'positive',
    'concurrent-ttl-after-finished-syncs': 'positive',
    'concurrent-validating-admission-policy-status-syncs': 'positive',
    'endpoint-updates-batch-period': 'duration',
    'endpointslice-updates-batch-period': 'duration',
    'max-endpoints-per-slice': 'positive',
    'mirroring-concurrent-service-endpoint-syncs': 'positive',
    'mirroring-endpointslice-updates-batch-period': 'duration',
    'mirroring-max-endpoints-per-subset': 'positive',
    'horizontal-pod-autoscaler-cpu-initialization-period': 'duration',
    'horizontal-pod-autoscaler-downscale-stabilization': 'duration',
    'horizontal-pod-autoscaler-initial-readiness-delay': 'duration',
    'horizontal-pod-autoscaler-sync-period': 'duration',
    'horizontal-pod-autoscaler-tolerance': 'number',
    'legacy-service-account-token-clean-up-period': 'duration',
    'large-cluster-size-threshold': 'count',
    ...LEADER_ELECTION,
    'node-eviction-rate': 'number',
    'node-monitor-grace-period': 'duration',
    'node-startup-grace-period': 'duration',
    'resource-quota-sync-period': 'duration',
    'secondary-node-eviction-rate': 'number',
    'terminated-pod-gc-threshold': 'count',
    'unhealthy-zone-threshold': 'number',
  },
  scheduler: {
    config: 'text',
    ...LEADER_ELECTION,
  },
  kubelet: {
    'allowed-unsafe-sysctls': 'list',
    'container-log-max-files': 'positive',
    'container-log-max-size': 'bytes',
    'cpu-cfs-quota': 'boolean',
    'crashLoopBackOff.maxContainerRestartPeriod': 'duration',
    'eviction-hard': 'thresholds',
    'eviction-max-pod-grace-period': 'count',
    'eviction-minimum-reclaim': 'reclaims',
    'eviction-pressure-transition-period': 'duration',
    'eviction-soft': 'thresholds',
    'eviction-soft-grace-period': 'signalDurations',
    'image-gc-high-threshold': 'percent',
    'image-gc-low-threshold': 'percent',
    imageMaximumGCAge: 'duration',
    imagePullCredentialsVerificationPolicy: 'text',
    'kube-reserved': 'reserved',
    'max-pods': 'positive',
    maxParallelImagePulls: 'positive',
    'minimum-image-ttl-duration': 'duration',
    'node-labels': 'labels',
    'pod-max-pids': 'positive',
    'pods-per-core': 'count',
    preloadedImagesVerificationAllowlist: 'list',
    'seccomp-default': 'boolean',
    'serialize-image-pulls': 'boolean',
    shutdownGracePeriod: 'duration',
    shutdownGracePeriodByPodPriority: 'periods',
    shutdownGracePeriodCriticalPods: 'duration',
    'system-reserved': 'reserved',
  },
  'kube-proxy': {
    'proxy-mode': 'text',
  },
} as const satisfies Record<string, Record<string, Kind>>

/** Fields of the KubeletConfiguration that stand for a flag. */
const KUBELET_FIELDS: Readonly<Record<string, string>> = {
  allowedUnsafeSysctls: 'allowed-unsafe-sysctls',
  containerLogMaxFiles: 'container-log-max-files',
  containerLogMaxSize: 'container-log-max-size',
  cpuCFSQuota: 'cpu-cfs-quota',
  evictionHard: 'eviction-hard',
  evictionMaxPodGracePeriod: 'eviction-max-pod-grace-period',
  evictionMinimumReclaim: 'eviction-minimum-reclaim',
  evictionPressureTransitionPeriod: 'eviction-pressure-transition-period',
  evictionSoft: 'eviction-soft',
  evictionSoftGracePeriod: 'eviction-soft-grace-period',
  imageGCHighThresholdPercent: 'image-gc-high-threshold',
  imageGCLowThresholdPercent: 'image-gc-low-threshold',
  imageMinimumGCAge: 'minimum-image-ttl-duration',
  kubeReserved: 'kube-reserved',
  maxPods: 'max-pods',
  podPidsLimit: 'pod-max-pids',
  podsPerCore: 'pods-per-core',
  seccompDefault: 'seccomp-default',
  serializeImagePulls: 'serialize-image-pulls',
  systemReserved: 'system-reserved',
}

export type ComponentName = keyof typeof OPTIONS
type OptionsOf<C extends ComponentName> = { [K in keyof (typeof OPTIONS)[C]]?: Values[(typeof OPTIONS)[C][K] & Kind] }
export type ComponentOptions = { [C in ComponentName]: OptionsOf<C> }
/** As they were given: component, key, value. */
export type ExtraConfig = Readonly<Record<string, Readonly<Record<string, string>>>>

export class ExtraConfigError extends Error {
  override readonly name = 'ExtraConfigError'
  /** What may have been meant. */
  readonly hint: string

  constructor(message: string, hint: string) {
    super(message)
    this.hint = hint
  }
}

const NEAR_LIMIT = 4

function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = (row[j - 1] ?? 0) + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, (row[j] ?? 0) + 1, (next[j - 1] ?? 0) + 1))
    }
    row = next
  }
  return row[b.length] ?? 0
}

/** Those of `names` that look like `name`, the likeliest first; all where there are few. */
function nearNames(name: string, names: readonly string[]): string[] {
  if (names.length <= NEAR_LIMIT) return [...names]
  const words = name.toLowerCase().split(/[-_.]/)
  const score = (other: string): number => {
    const theirs = other.split('-')
    // `hpa` stands for its three words.
    const initials = theirs.map((word) => word[0]).join('')
    const isShared = (word: string): boolean => theirs.includes(word) || (word.length > 1 && initials.includes(word))
    const shared = words.filter(isShared).length / words.length
    return shared + 1 - editDistance(name, other) / Math.max(name.length, other.length)
  }
  return [...names].sort((a, b) => score(b) - score(a)).slice(0, NEAR_LIMIT)
}

const isComponent = (name: string): name is ComponentName => Object.hasOwn(OPTIONS, name)

/** The name under which the option is kept: a kubelet's field stands for its flag. */
function flagOf(component: string, key: string): string {
  return component === 'kubelet' && Object.hasOwn(KUBELET_FIELDS, key) ? (KUBELET_FIELDS[key] ?? key) : key
}

function readOption(component: string, key: string, value: string): Values[Kind] {
  if (!isComponent(component)) {
    const names = Object.keys(OPTIONS)
    throw new ExtraConfigError(`"${component}" is no component that can be configured`, `The components are ${names.join(', ')}`)
  }
  const options: Readonly<Record<string, Kind>> = OPTIONS[component]
  const kind = options[key]
  if (kind === undefined) {
    const near = nearNames(key, Object.keys(options))
    throw new ExtraConfigError(`${component} has no option "${key}" that can be set`, `Did you mean ${near.join(', ')}?`)
  }
  const parsed = parseValue(kind, value)
  if (parsed === undefined)
    throw new ExtraConfigError(`${component}.${key} must be ${WANTED[kind]}, not "${value}"`, `Its name is upstream's: --${key}`)
  if (key === 'proxy-mode' && value !== 'nftables')
    throw new ExtraConfigError(`kube-proxy has the mode nftables alone, not "${value}"`, 'Leave kube-proxy.proxy-mode out')
  if (component === 'apiserver') checkNames(key, parsed)
  return parsed
}

const SIGNING_ALGORITHMS: readonly string[] = ['RS', 'ES', 'PS'].flatMap((family) => ['256', '384', '512'].map((bits) => family + bits))
const AUTHORIZATION_MODES: readonly string[] = ['Node', 'RBAC']

/** Lists of what the API server has. */
function checkNames(key: string, value: Values[Kind]): void {
  if (!Array.isArray(value)) return
  const names = value as readonly string[]
  if (key === 'authorization-mode' && !(names.includes('RBAC') && names.every((mode) => AUTHORIZATION_MODES.includes(mode))))
    throw new ExtraConfigError(
      `apiserver has the authorization modes Node and RBAC, not "${names.join(',')}"`,
      'Leave it out: it is Node,RBAC',
    )
  const unknown = names.find((name) => !SIGNING_ALGORITHMS.includes(name))
  if (key === 'oidc-signing-algs' && unknown !== undefined)
    throw new ExtraConfigError(`"${unknown}" is no algorithm that tokens can be signed with`, `They are ${SIGNING_ALGORITHMS.join(', ')}`)
  if (key !== 'enable-admission-plugins' && key !== 'disable-admission-plugins') return
  const all = [...ADMISSION_PLUGINS, ...OTHER_ADMISSION_PLUGINS]
  for (const name of names) {
    if (!all.includes(name))
      throw new ExtraConfigError(`there is no admission plugin "${name}"`, `Did you mean ${nearNames(name, all).join(', ')}?`)
    if (key === 'enable-admission-plugins' && !ADMISSION_PLUGINS.has(name))
      throw new ExtraConfigError(`the admission plugin ${name} is not there`, `Those that are on: ${[...ADMISSION_PLUGINS].join(', ')}`)
  }
}

/** A pod is given time before it is ended for a soft threshold: how much has to be said. */
function checkSoftThresholds({ 'eviction-soft': soft, 'eviction-soft-grace-period': grace }: OptionsOf<'kubelet'>): void {
  for (const signal of Object.keys(soft ?? {}))
    if (grace?.[signal] === undefined)
      throw new ExtraConfigError(
        `grace period must be specified for the soft eviction threshold ${signal}`,
        `For example: --extra-config=kubelet.eviction-soft-grace-period=${signal}=1m30s`,
      )
}

function checkImages(options: OptionsOf<'kubelet'>): void {
  const problem = imageOptionsProblem(options)
  if (problem) throw new ExtraConfigError(problem.message, problem.hint)
}

/** Upstream's texts. */
function checkShutdown({
  shutdownGracePeriod: wholeMs = 0,
  shutdownGracePeriodCriticalPods: criticalMs = 0,
  ...others
}: OptionsOf<'kubelet'>): void {
  const example = 'For example: --extra-config=kubelet.shutdownGracePeriod=30s --extra-config=kubelet.shutdownGracePeriodCriticalPods=10s'
  const seconds = (ms: number): string => `${ms / 1000}s`
  const tooShort = Object.entries({ shutdownGracePeriod: wholeMs, shutdownGracePeriodCriticalPods: criticalMs }).find(
    ([, ms]) => ms > 0 && ms < 1000,
  )
  if (tooShort) {
    const [name, ms] = tooShort
    throw new ExtraConfigError(`invalid configuration: ${name} ${seconds(ms)} must be either zero or otherwise >= 1 sec`, example)
  }
  if (criticalMs > wholeMs)
    throw new ExtraConfigError(
      `invalid configuration: shutdownGracePeriodCriticalPods ${seconds(criticalMs)} must be <= shutdownGracePeriod ${seconds(wholeMs)}`,
      example,
    )
  if (wholeMs > 0 && others.shutdownGracePeriodByPodPriority)
    throw new ExtraConfigError(
      'invalid configuration: Cannot specify both shutdownGracePeriodByPodPriority and shutdownGracePeriod at the same time',
      'Leave one of them out',
    )
}

/** Upstream's defaults of how large an audit event, and a batch of them, may be where events are truncated. */
export const AUDIT_EVENT_SIZE_BYTES = 102_400
const AUDIT_BATCH_SIZE_BYTES = 10 * 1024 * 1024

function checkTruncation(options: OptionsOf<'apiserver'>): void {
  for (const place of ['log', 'webhook'] as const) {
    const eventBytes = options[`audit-${place}-truncate-max-event-size`] ?? AUDIT_EVENT_SIZE_BYTES
    const batchBytes = options[`audit-${place}-truncate-max-batch-size`] ?? AUDIT_BATCH_SIZE_BYTES
    if (batchBytes < eventBytes)
      throw new ExtraConfigError(
        `invalid audit truncate ${place} max batch size ${batchBytes}, must be greater than max event size (${eventBytes})`,
        `Set apiserver.audit-${place}-truncate-max-batch-size`,
      )
  }
}

function checkAuthorizers(options: OptionsOf<'apiserver'>): void {
  if (options['authorization-config'] !== undefined && options['authorization-mode'] !== undefined)
    throw new ExtraConfigError(
      '--authorization-config can not be specified when --authorization-mode or --authorization-webhook-* flags are defined',
      'Leave apiserver.authorization-mode out: the file says who decides',
    )
}

function checkProvider(options: OptionsOf<'apiserver'>): void {
  const { 'oidc-issuer-url': issuer, 'oidc-client-id': client } = options
  const isAsked = Object.keys(options).some((key) => key.startsWith('oidc-'))
  if (isAsked && options['authentication-config'] !== undefined)
    throw new ExtraConfigError(
      'authentication-config file and oidc-* flags are mutually exclusive',
      'Leave the oidc-* options out: the file describes issuers of tokens as well',
    )
  const example =
    'For example: --extra-config=apiserver.oidc-issuer-url=https://dex.example.com --extra-config=apiserver.oidc-client-id=kubernetes'
  if (isAsked && (issuer === undefined || client === undefined))
    throw new ExtraConfigError('oidc-issuer-url and oidc-client-id must be specified together when any oidc-* flags are set', example)
  if (issuer !== undefined && URL.parse(issuer)?.protocol !== 'https:')
    throw new ExtraConfigError(`apiserver.oidc-issuer-url must be an https:// address, not "${issuer}"`, example)
}

/** `controller-manager.node-monitor-grace-period=1m`, each; a later one replaces an earlier one. Throws ExtraConfigError. */
export function parseExtraConfig(entries: readonly string[]): ExtraConfig {
  const parsed: Record<string, Record<string, string>> = {}
  for (const entry of entries) {
    const [, component = '', key = '', value = ''] = /^([^.=]+)\.([^=]+)=(.*)$/s.exec(entry) ?? []
    if (!component)
      throw new ExtraConfigError(
        `"${entry}" is no setting of a component`,
        'For example: --extra-config=controller-manager.node-monitor-grace-period=1m',
      )
    readOption(component, flagOf(component, key), value)
    parsed[component] = { ...parsed[component], [flagOf(component, key)]: value }
  }
  const options = readComponentOptions(parsed)
  checkSoftThresholds(options.kubelet)
  checkShutdown(options.kubelet)
  checkImages(options.kubelet)
  checkProvider(options.apiserver)
  checkAuthorizers(options.apiserver)
  checkTruncation(options.apiserver)
  return parsed
}

/** Throws ExtraConfigError. */
export function readComponentOptions(config: ExtraConfig): ComponentOptions {
  const options: Record<string, Record<string, Values[Kind]>> = {}
  for (const component of Object.keys(OPTIONS)) options[component] = {}
  for (const [component, values] of Object.entries(config)) {
    options[component] = Object.fromEntries(Object.entries(values).map(([key, value]) => [key, readOption(component, key, value)]))
  }
  return options as ComponentOptions
}

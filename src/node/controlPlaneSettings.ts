/** The flags of `minicube control-plane`. */
import { isIP } from 'node:net'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { ExtraConfigError, parseExtraConfig, readComponentOptions, type ComponentOptions } from '../api/componentOptions.ts'
import { familiesOf, parseIpRange, type IpFamilyName } from '../base/ipFamily.ts'
import type { LogLevel } from '../base/logger.ts'
import { DEFAULT_CONTROLLERS } from '../controllers/registry.ts'
import { FAKE_NODES_MAX } from '../fakenodes/shapes.ts'
import { webhookSettings } from './audit.ts'
import type { AuditSettings } from './audit.ts'
import type { DatastoreSettings } from './datastore.ts'

export const USAGE = `Usage: minicube control-plane [flags]

  --listen <address:port>         where to serve (default 127.0.0.1:6443)
  --advertise-address <address>   where other members of the cluster reach this
                                  server (default: the address of --listen)
  --data <folder>|memory          where the objects and the keys are kept
                                  (default memory)
  --kubeconfig <file>             an administrator's kubeconfig is written there
  --controllers <names>           upstream's controller names, separated by
                                  commas; * is all, -name leaves one out
                                  (default *,bootstrap-signer-controller,
                                  token-cleaner-controller)
  --scheduler, --no-scheduler     run kube-scheduler as well (default: with
                                  --fake-nodes or --scheduler-config)
  --scheduler-config <file>       its KubeSchedulerConfiguration
  --fake-nodes <number>           nodes without a machine, whose pods run
                                  without containers (default 0)
  --leader-elect[=false]          scheduler and controllers run in one of
                                  several control planes on one etcd at a time,
                                  by leases in kube-system (default: with a
                                  --datastore-endpoint)
  --service-cluster-ip-range <cidr>
                                  addresses of services (default 10.96.0.0/16);
                                  or one range of each IP family:
                                  10.96.0.0/16,fd00:10:96::/112, the default
                                  family first
  --datastore-endpoint <url>[,<url>]
                                  keep the objects in etcd v3; --data is for the
                                  keys alone then. Several control planes on one
                                  etcd need the same keys; the controllers run
                                  in one of them at a time
  --quota-backend-bytes <bytes>   how large the database in --data may become
                                  (default 8 GiB)
  --etcd-cafile <file>            authority of etcd's certificate
  --etcd-certfile <file>          certificate to show to etcd
  --etcd-keyfile <file>           its key
  --audit-policy-file <file>      which requests are written down
                                  (audit.k8s.io/v1 Policy)
  --audit-log-path <file>|-       where to, a JSON event a line
  --audit-log-maxsize <megabytes>
                                  how large the file may become before it is set
                                  aside (default 100)
  --audit-log-maxbackup <number>  how many of those are kept (default all)
  --audit-log-maxage <days>       for how long (default for ever)
  --audit-log-truncate-enabled=true
                                  events of more than 100 KiB
                                  (--audit-log-truncate-max-event-size) go without
                                  their objects; --audit-webhook-truncate-enabled
                                  likewise
  --audit-webhook-config-file <file>
                                  a kubeconfig: where to events are sent, too
                                  (--audit-webhook-batch-max-size and its like by
                                  upstream's names)
  --authentication-config <file>  whose tokens are taken, and where anonymous
                                  requests are (AuthenticationConfiguration)
  --authorization-config <file>   who decides what anybody may, webhooks among
                                  them (AuthorizationConfiguration)
  --encryption-provider-config <file>
                                  how objects are encrypted in the store
                                  (EncryptionConfiguration)
  --encryption-provider-config-automatic-reload=true
                                  the file is read again when it changes
  --token-auth-file <file>        static tokens: token,user,uid,"group1,group2"
  --extra-config <component.key=value>
                                  an option of a component by upstream's name,
                                  for example
                                  kubelet.max-pods=50 or scheduler.config=FILE;
                                  may be repeated
  --descriptions <file>           what kubectl explain says of kinds and fields
  --log-level debug|info|warn|error
                                  (default warn)
`

export interface Settings {
  host: string
  port: number
  advertiseAddress?: string
  data: string
  kubeconfig?: string
  controllers: readonly string[]
  scheduler: boolean
  schedulerConfigFile?: string
  fakeNodes: number
  /** Undefined: where the datastore is shared. */
  leaderElect?: boolean
  serviceClusterIpRange: string
  datastore?: DatastoreSettings
  quotaBytes?: number
  audit?: AuditSettings
  tokenFile?: string
  descriptionsFile?: string
  options: ComponentOptions
  logLevel: LogLevel
}

export class UsageError extends Error {
  override readonly name = 'UsageError'
}

const LOG_LEVELS: readonly string[] = ['debug', 'info', 'warn', 'error'] satisfies LogLevel[]
const words = (list: string): string[] =>
  list
    .split(',')
    .map((word) => word.trim())
    .filter(Boolean)

/** How long a prefix may be: no smaller ranges than that, and none with more addresses than are kept count of. */
const PREFIXES: Readonly<Record<IpFamilyName, readonly [shortest: number, longest: number]>> = { IPv4: [8, 29], IPv6: [80, 126] }

function isServiceRange(cidr: string): boolean {
  try {
    const { family, prefix } = parseIpRange(cidr)
    const [shortest, longest] = PREFIXES[family.name]
    return prefix >= shortest && prefix <= longest
  } catch {
    return false
  }
}

function parseAddress(text: string): string {
  if (isIP(text) === 0) throw new UsageError(`--advertise-address must be an IP address, not ${text}`)
  return text
}

function parseRange(text: string): string {
  const cidrs = words(text)
  if (cidrs.length > 0 && cidrs.every(isServiceRange) && familiesOf(cidrs).length === cidrs.length) return cidrs.join(',')
  throw new UsageError(
    `--service-cluster-ip-range must be an IPv4 range between /8 and /29 such as 10.96.0.0/16, an IPv6 range between /80 and /126, or one of each, not ${text}`,
  )
}

const LEAST_QUOTA_BYTES = 4 * 1024 * 1024

function parseQuota(text: string | undefined): number | undefined {
  if (text === undefined) return undefined
  const bytes = Number(text)
  if (!Number.isSafeInteger(bytes) || bytes < LEAST_QUOTA_BYTES) {
    throw new UsageError(`--quota-backend-bytes must be a number of bytes, ${LEAST_QUOTA_BYTES} at the least, not ${text}`)
  }
  return bytes
}

interface DatastoreFlags {
  'datastore-endpoint'?: string | undefined
  'etcd-cafile'?: string | undefined
  'etcd-certfile'?: string | undefined
  'etcd-keyfile'?: string | undefined
}

function parseDatastore(flags: DatastoreFlags): DatastoreSettings | undefined {
  const { 'etcd-cafile': ca, 'etcd-certfile': cert, 'etcd-keyfile': key } = flags
  const given = flags['datastore-endpoint']
  if (given === undefined) {
    if (ca || cert || key) throw new UsageError('--etcd-cafile, --etcd-certfile and --etcd-keyfile are for a --datastore-endpoint')
    return undefined
  }
  const endpoints = words(given)
  for (const endpoint of endpoints) {
    const url = URL.parse(endpoint)
    if (!url || !['http:', 'https:'].includes(url.protocol) || url.hostname === '')
      throw new UsageError(`--datastore-endpoint must be http://host:port or https://host:port, not ${endpoint}`)
  }
  if (endpoints.length === 0) throw new UsageError('--datastore-endpoint names no endpoint')
  if (Boolean(cert) !== Boolean(key)) throw new UsageError('--etcd-certfile and --etcd-keyfile belong together')
  return { endpoints, ...(ca && { caFile: ca }), ...(cert && { certFile: cert }), ...(key && { keyFile: key }) }
}

interface AuditFlags {
  'audit-policy-file'?: string | undefined
  'audit-log-path'?: string | undefined
  'audit-log-maxsize'?: string | undefined
  'audit-log-maxbackup'?: string | undefined
  'audit-log-maxage'?: string | undefined
}

function parseAudit(flags: AuditFlags, webhook: AuditSettings['webhook']): AuditSettings | undefined {
  const { 'audit-policy-file': policyFile, 'audit-log-path': logPath = '' } = flags
  if (policyFile === undefined && logPath === '' && !webhook) return undefined
  if (policyFile === undefined || (logPath === '' && !webhook))
    throw new UsageError('--audit-policy-file belongs together with --audit-log-path or --audit-webhook-config-file')
  const limit = (name: 'audit-log-maxsize' | 'audit-log-maxbackup' | 'audit-log-maxage'): number => {
    const count = Number(flags[name] ?? 0)
    if (Number.isSafeInteger(count) && count >= 0) return count
    throw new UsageError(`--${name} must be a number, not ${flags[name]}`)
  }
  return {
    policyFile: resolve(policyFile),
    logPath: logPath === '-' || logPath === '' ? logPath : resolve(logPath),
    maxSizeMegabytes: limit('audit-log-maxsize'),
    maxBackups: limit('audit-log-maxbackup'),
    maxAgeDays: limit('audit-log-maxage'),
    ...(webhook && { webhook }),
  }
}

/** These flags are options of the API server like those of --extra-config. */
const API_SERVER_FLAGS = {
  'authentication-config': { type: 'string' },
  'authorization-config': { type: 'string' },
  'encryption-provider-config': { type: 'string' },
  'encryption-provider-config-automatic-reload': { type: 'string' },
  'audit-log-truncate-enabled': { type: 'string' },
  'audit-log-truncate-max-batch-size': { type: 'string' },
  'audit-log-truncate-max-event-size': { type: 'string' },
  'audit-webhook-truncate-enabled': { type: 'string' },
  'audit-webhook-truncate-max-batch-size': { type: 'string' },
  'audit-webhook-truncate-max-event-size': { type: 'string' },
  'audit-webhook-config-file': { type: 'string' },
  'audit-webhook-mode': { type: 'string' },
  'audit-webhook-initial-backoff': { type: 'string' },
  'audit-webhook-batch-buffer-size': { type: 'string' },
  'audit-webhook-batch-max-size': { type: 'string' },
  'audit-webhook-batch-max-wait': { type: 'string' },
  'audit-webhook-batch-throttle-enable': { type: 'string' },
  'audit-webhook-batch-throttle-qps': { type: 'string' },
  'audit-webhook-batch-throttle-burst': { type: 'string' },
} as const

function apiServerEntries(values: { [flag in keyof typeof API_SERVER_FLAGS]?: string | undefined }): string[] {
  const given = (Object.keys(API_SERVER_FLAGS) as (keyof typeof API_SERVER_FLAGS)[]).filter((flag) => values[flag] !== undefined)
  return given.map((flag) => `apiserver.${flag}=${values[flag]}`)
}

function parseWebhook(options: ComponentOptions): AuditSettings['webhook'] {
  try {
    return webhookSettings(options.apiserver)
  } catch (error) {
    throw new UsageError(`--${(error as Error).message}`, { cause: error })
  }
}

function parseFakeNodes(text: string): number {
  const count = Number(text)
  if (Number.isInteger(count) && count >= 0 && count <= FAKE_NODES_MAX) return count
  throw new UsageError(`--fake-nodes must be a number from 0 to ${FAKE_NODES_MAX}, not ${text}`)
}

function parseOptions(entries: readonly string[]): ComponentOptions {
  try {
    return readComponentOptions(parseExtraConfig(entries))
  } catch (error) {
    if (error instanceof ExtraConfigError) throw new UsageError(`--extra-config: ${error.message}\n${error.hint}`, { cause: error })
    throw error
  }
}

/** 'help' where the flags ask for it. */
export function parseSettings(args: readonly string[]): Settings | 'help' {
  const { values } = parseArgs({
    args: args.map((arg) =>
      arg === '--leader-elect=false' ? '--no-leader-elect' : arg === '--leader-elect=true' ? '--leader-elect' : arg,
    ),
    allowNegative: true,
    options: {
      listen: { type: 'string', default: '127.0.0.1:6443' },
      'advertise-address': { type: 'string' },
      data: { type: 'string', default: 'memory' },
      kubeconfig: { type: 'string' },
      controllers: { type: 'string' },
      scheduler: { type: 'boolean' },
      'scheduler-config': { type: 'string' },
      'fake-nodes': { type: 'string', default: '0' },
      'leader-elect': { type: 'boolean' },
      'service-cluster-ip-range': { type: 'string', default: '10.96.0.0/16' },
      'datastore-endpoint': { type: 'string' },
      'quota-backend-bytes': { type: 'string' },
      'etcd-cafile': { type: 'string' },
      'etcd-certfile': { type: 'string' },
      'etcd-keyfile': { type: 'string' },
      'audit-policy-file': { type: 'string' },
      'audit-log-path': { type: 'string' },
      'audit-log-maxsize': { type: 'string' },
      'audit-log-maxbackup': { type: 'string' },
      'audit-log-maxage': { type: 'string' },
      ...API_SERVER_FLAGS,
      'token-auth-file': { type: 'string' },
      'extra-config': { type: 'string', multiple: true, default: [] },
      descriptions: { type: 'string' },
      'log-level': { type: 'string', default: 'warn' },
      help: { type: 'boolean', short: 'h' },
    },
  })
  if (values.help) return 'help'
  const [, host, port] = /^(?:\[?([^\]]*)\]?):(\d{1,5})$/.exec(values.listen) ?? []
  if (host === undefined || Number(port) > 65_535) throw new UsageError(`--listen must be address:port, not ${values.listen}`)
  if (!LOG_LEVELS.includes(values['log-level'])) throw new UsageError('--log-level must be debug, info, warn or error')
  if (values.data === '') throw new UsageError('--data must name a folder, or be memory')
  const datastore = parseDatastore(values)
  const fakeNodes = parseFakeNodes(values['fake-nodes'])
  const quotaBytes = parseQuota(values['quota-backend-bytes'])
  const options = parseOptions([...values['extra-config'], ...apiServerEntries(values)])
  const audit = parseAudit(values, parseWebhook(options))
  return {
    host: host || '0.0.0.0',
    port: Number(port),
    ...(values['advertise-address'] && { advertiseAddress: parseAddress(values['advertise-address']) }),
    data: values.data,
    ...(values.kubeconfig && { kubeconfig: resolve(values.kubeconfig) }),
    controllers:
      values.controllers === undefined ? (options['controller-manager'].controllers ?? DEFAULT_CONTROLLERS) : words(values.controllers),
    scheduler: values.scheduler ?? (fakeNodes > 0 || values['scheduler-config'] !== undefined),
    ...(values['scheduler-config'] && { schedulerConfigFile: resolve(values['scheduler-config']) }),
    fakeNodes,
    ...(values['leader-elect'] !== undefined && { leaderElect: values['leader-elect'] }),
    serviceClusterIpRange: parseRange(values['service-cluster-ip-range']),
    ...(datastore && { datastore }),
    ...(quotaBytes && { quotaBytes }),
    ...(audit && { audit }),
    ...(values['token-auth-file'] && { tokenFile: resolve(values['token-auth-file']) }),
    ...(values.descriptions && { descriptionsFile: resolve(values.descriptions) }),
    options,
    logLevel: values['log-level'] as LogLevel,
  }
}

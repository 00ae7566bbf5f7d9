/**
 * Who decides what anybody may, in which order (AuthorizationConfiguration of apiserver.config.k8s.io), with upstream's rules and
 * words.
 */
import { isAbsolute } from 'node:path'
import { parseDuration } from '../../api/codec/goTime.ts'
import { duplicate, invalid, notSupported, required, tooMany } from '../../api/validation/fieldErrors.ts'
import { isDns1123Subdomain } from '../../api/validation/names.ts'
import type { FieldError } from '../../api/status.ts'
import { CompileError } from '../../cel/program.ts'
import {
  configurationKind,
  duration,
  flag,
  list,
  readConfiguration,
  struct,
  text,
  throwFieldErrors,
} from '../configuration/configurationFile.ts'
import { compileMatchCondition } from './matchConditions.ts'

export interface WebhookConfiguration {
  /** Durations as Go writes them. */
  timeout: string
  authorizedTTL: string
  cacheAuthorizedRequests?: boolean
  unauthorizedTTL: string
  cacheUnauthorizedRequests?: boolean
  subjectAccessReviewVersion: 'v1' | 'v1beta1'
  matchConditionSubjectAccessReviewVersion?: string
  failurePolicy: 'NoOpinion' | 'Deny'
  connectionInfo: { type: string; kubeConfigFile?: string }
  matchConditions?: readonly { expression: string }[]
}

export const AUTHORIZER_TYPES = ['AlwaysAllow', 'AlwaysDeny', 'Node', 'RBAC', 'Webhook'] as const

export interface AuthorizerConfiguration {
  type: (typeof AUTHORIZER_TYPES)[number]
  name: string
  webhook?: WebhookConfiguration
}

const KIND = configurationKind('AuthorizationConfiguration', ['v1', 'v1beta1', 'v1alpha1'], {
  authorizers: list(
    struct('AuthorizerConfiguration', {
      type: text,
      name: text,
      webhook: struct('WebhookConfiguration', {
        timeout: duration,
        authorizedTTL: duration,
        cacheAuthorizedRequests: flag,
        unauthorizedTTL: duration,
        cacheUnauthorizedRequests: flag,
        subjectAccessReviewVersion: text,
        matchConditionSubjectAccessReviewVersion: text,
        failurePolicy: text,
        connectionInfo: struct('WebhookConnectionInfo', { type: text, kubeConfigFile: text }),
        matchConditions: list(struct('WebhookMatchCondition', { expression: text })),
      }),
    }),
  ),
})

/** Of a duration as Go writes it. */
export const milliseconds = (duration: string): number => Number(parseDuration(duration)) / 1e6

const TTL_DEFAULTS = { authorizedTTL: '5m0s', unauthorizedTTL: '30s' }
const TIMEOUT_MAX_MS = 30_000
const CONDITIONS_MAX = 64
const IN_CLUSTER = 'InClusterConfig'
const BY_FILE = 'KubeConfigFile'

/** `isFile` looks for kubeconfigs. Throws a ConfigurationFileError that names every field that is wrong. */
export function parseAuthorizationConfiguration(document: string, isFile: (path: string) => boolean): readonly AuthorizerConfiguration[] {
  const { authorizers = [] } = readConfiguration(document, KIND) as unknown as { authorizers?: readonly AuthorizerConfiguration[] }
  const filled = authorizers.map((each) => (each.webhook ? { ...each, webhook: { ...TTL_DEFAULTS, ...each.webhook } } : each))
  if (filled.length === 0) throwFieldErrors([required('authorizers', 'at least one authorization mode must be defined')])
  throwFieldErrors(filled.flatMap((each, i) => authorizerErrors(each, `authorizers[${i}]`, filled.slice(0, i), isFile)))
  return filled
}

function authorizerErrors(
  { type, name, webhook }: AuthorizerConfiguration,
  at: string,
  before: readonly AuthorizerConfiguration[],
  isFile: (path: string) => boolean,
): FieldError[] {
  if (!type) return [required(`${at}.type`)]
  if (!AUTHORIZER_TYPES.includes(type)) return [notSupported(`${at}.type`, type, AUTHORIZER_TYPES)]
  if (type !== 'Webhook' && before.some((each) => each.type === type)) return [duplicate(`${at}.type`, type)]
  const errors = nameErrors(name, `${at}.name`, before)
  if (type !== 'Webhook')
    return webhook ? [...errors, invalid(`${at}.webhook`, 'non-null', 'may only be specified when type=Webhook')] : errors
  if (!webhook) return [...errors, required(`${at}.webhook`, 'required when type=Webhook')]
  return [...errors, ...webhookErrors(webhook, at, isFile)]
}

function nameErrors(name: string | undefined, at: string, before: readonly AuthorizerConfiguration[]): FieldError[] {
  if (!name) return [required(at)]
  if (before.some((each) => each.name === name)) return [duplicate(at, name)]
  const broken = isDns1123Subdomain(name)
  return broken.length > 0 ? [invalid(at, name, `authorizer name is invalid: ${broken.join(', ')}`)] : []
}

/** The fields of a webhook are named as if they were the authorizer's own, as upstream does. */
function webhookErrors(webhook: Partial<WebhookConfiguration>, at: string, isFile: (path: string) => boolean): FieldError[] {
  const { subjectAccessReviewVersion: version, matchConditionSubjectAccessReviewVersion: conditionVersion } = webhook
  const { failurePolicy, connectionInfo = { type: '' }, matchConditions = [] } = webhook
  return [
    ...durationErrors(webhook.timeout, `${at}.timeout`, 'must be > 0s and <= 30s', TIMEOUT_MAX_MS),
    ...durationErrors(webhook.authorizedTTL, `${at}.authorizedTTL`, 'must be > 0s', Infinity),
    ...durationErrors(webhook.unauthorizedTTL, `${at}.unauthorizedTTL`, 'must be > 0s', Infinity),
    ...oneOf(version, `${at}.subjectAccessReviewVersion`, ['v1', 'v1beta1']),
    ...(conditionVersion
      ? oneOf(conditionVersion, `${at}.matchConditionSubjectAccessReviewVersion`, ['v1'])
      : matchConditions.length > 0
        ? [required(`${at}.matchConditionSubjectAccessReviewVersion`, 'required if match conditions are specified')]
        : []),
    ...oneOf(failurePolicy, `${at}.failurePolicy`, ['NoOpinion', 'Deny']),
    ...connectionErrors(connectionInfo, `${at}.connectionInfo`, isFile),
    ...conditionErrors(matchConditions, `${at}.matchConditions`),
  ]
}

function durationErrors(value: string | undefined, at: string, bounds: string, maxMs: number): FieldError[] {
  const ms = value === undefined ? 0 : milliseconds(value)
  if (ms === 0) return [required(at)]
  return ms < 0 || ms > maxMs ? [invalid(at, value, bounds)] : []
}

function oneOf(value: string | undefined, at: string, known: readonly string[]): FieldError[] {
  if (!value) return [required(at)]
  return known.includes(value) ? [] : [notSupported(at, value, known)]
}

function connectionErrors(
  { type, kubeConfigFile: file = '' }: WebhookConfiguration['connectionInfo'],
  at: string,
  isFile: (path: string) => boolean,
): FieldError[] {
  if (!type) return [required(`${at}.type`)]
  if (type === IN_CLUSTER) return [invalid(`${at}.type`, type, `the server is in no pod: use ${BY_FILE}`)]
  if (type !== BY_FILE) return [notSupported(`${at}.type`, type, [IN_CLUSTER, BY_FILE])]
  if (file === '') return [required(`${at}.kubeConfigFile`)]
  if (!isAbsolute(file)) return [invalid(`${at}.kubeConfigFile`, file, 'must be an absolute path')]
  return isFile(file) ? [] : [invalid(`${at}.kubeConfigFile`, file, 'must be a regular file')]
}

function conditionErrors(conditions: readonly { expression?: string }[], at: string): FieldError[] {
  if (conditions.length > CONDITIONS_MAX) return [tooMany(at, conditions.length, CONDITIONS_MAX)]
  return conditions.flatMap(({ expression = '' }, i) => {
    const here = `${at}[${i}].expression`
    if (expression.trim() === '') return [required(here)]
    if (conditions.findIndex((each) => each.expression === expression) < i) return [duplicate(here, expression)]
    try {
      compileMatchCondition(expression)
      return []
    } catch (error) {
      if (!(error instanceof CompileError)) throw error
      return [invalid(here, expression, error.reason)]
    }
  })
}

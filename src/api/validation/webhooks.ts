/** Webhook configurations, and where a webhook or an aggregated server is reached. */
import { parseUrl, urlError } from '../goUrl.ts'
import { check, duplicate, invalid, notSupported, required } from './fieldErrors.ts'
import { validateLabelSelector } from './labels.ts'
import { isDns1035Label, isDns1123Subdomain, isPortNumber } from './names.ts'
import { checkMatchConditions, checkOperationsRule } from './admissionRules.ts'
import type {
  MutatingWebhook,
  MutatingWebhookConfiguration,
  ServiceReference,
  ValidatingWebhook,
  ValidatingWebhookConfiguration,
} from '../kinds/admissionregistration/v1.ts'
import type { FieldError } from '../status.ts'
import type { ExpressionRules } from './admissionRules.ts'

const FORM = '; desired format: https://host[/path]'

export function checkWebhookUrl(errors: FieldError[], url: string, path: string): void {
  const why = urlError(url, false)
  if (why) return void errors.push(required(path, `url must be a valid URL: ${why}${FORM}`))
  const { scheme, user, host, query, fragment } = parseUrl(url, false)
  if (scheme !== 'https') errors.push(invalid(path, scheme, `'https' is the only allowed URL scheme${FORM}`))
  if (!host) errors.push(invalid(path, host, `host must be specified${FORM}`))
  if (user !== undefined) errors.push(invalid(path, user, 'user information is not permitted in the URL'))
  if (fragment) errors.push(invalid(path, fragment, 'fragments are not permitted in the URL'))
  if (query) errors.push(invalid(path, query, 'query parameters are not permitted in the URL'))
}

function checkUrlPath(errors: FieldError[], urlPath: string, path: string): void {
  if (urlPath === '/' || urlPath === '') return
  if (urlPath === '//') {
    errors.push(invalid(path, urlPath, 'segment[0] may not be empty'))
    return
  }
  if (!urlPath.startsWith('/')) errors.push(invalid(path, urlPath, "must start with a '/'"))
  const segments = urlPath.slice(1).replace(/\/$/, '').split('/')
  for (const [i, segment] of segments.entries()) {
    if (segment === '') errors.push(invalid(path, urlPath, `segment[${i}] may not be empty`))
    else
      check(
        errors,
        path,
        urlPath,
        isDns1123Subdomain(segment).map((error) => `segment[${i}]: ${error}`),
      )
  }
}

export function checkWebhookService(
  errors: FieldError[],
  { name, namespace, path: urlPath, port = 443 }: ServiceReference,
  path: string,
): void {
  // Upstream mixes up the two, in what it tells.
  if (!namespace) errors.push(required(`${path}.name`))
  if (!name) errors.push(required(`${path}.namespace`))
  const broken = isPortNumber(port)
  if (broken.length > 0) errors.push(invalid(`${path}.port`, port, `port is not valid: ${broken.join(', ')}`))
  if (urlPath !== undefined) checkUrlPath(errors, urlPath, `${path}.path`)
}

const REVIEW_VERSIONS = ['v1', 'v1beta1']

function checkReviewVersions(errors: FieldError[], versions: readonly string[], needsKnown: boolean, path: string): void {
  if (versions.length === 0) {
    errors.push(required(path, `must specify one of ${REVIEW_VERSIONS.join(', ')}`))
    return
  }
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) errors.push(invalid(`${path}[${i}]`, version, 'duplicate version'))
    else check(errors, `${path}[${i}]`, version, isDns1035Label(version))
  }
  if (needsKnown && !versions.some((version) => REVIEW_VERSIONS.includes(version))) {
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`))
  }
}

/** At least three parts, so that webhooks of different makers don't meet. */
function checkName(errors: FieldError[], name: string, path: string): void {
  if (!name) {
    errors.push(required(path))
    return
  }
  const broken = isDns1123Subdomain(name)
  if (broken.length > 0) errors.push(invalid(path, name, broken.join(',')))
  else if (name.split('.').length < 3) errors.push(invalid(path, name, 'should be a domain with at least three segments separated by dots'))
}

type Webhook = ValidatingWebhook & Pick<MutatingWebhook, 'reinvocationPolicy'>

const HARMLESS = ['None', 'NoneOnDryRun']
const ALL_EFFECTS = ['None', 'NoneOnDryRun', 'Some', 'Unknown']

function checkWebhook(
  errors: FieldError[],
  hook: Webhook,
  allowedEffects: readonly string[],
  expressions: ExpressionRules | undefined,
  path: string,
): void {
  const { clientConfig: { url, service } = {}, sideEffects, timeoutSeconds } = hook
  checkName(errors, hook.name, `${path}.name`)
  hook.rules?.forEach((rule, i) => checkOperationsRule(errors, rule, `${path}.rules[${i}]`))
  const oneOf = (field: 'failurePolicy' | 'matchPolicy' | 'reinvocationPolicy', supported: readonly string[]): void => {
    const value = hook[field]
    if (value !== undefined && !supported.includes(value)) errors.push(notSupported(`${path}.${field}`, value, supported))
  }
  oneOf('failurePolicy', ['Fail', 'Ignore'])
  oneOf('matchPolicy', ['Equivalent', 'Exact'])
  // A required field without a value is null once it is normalized.
  const effects = sideEffects ?? undefined
  if (effects === undefined) errors.push(required(`${path}.sideEffects`, `must specify one of ${allowedEffects.join(', ')}`))
  else if (!allowedEffects.includes(effects)) errors.push(notSupported(`${path}.sideEffects`, effects, allowedEffects))
  if (timeoutSeconds !== undefined && (timeoutSeconds < 1 || timeoutSeconds > 30)) {
    errors.push(invalid(`${path}.timeoutSeconds`, timeoutSeconds, 'the timeout value must be between 1 and 30 seconds'))
  }
  for (const field of ['namespaceSelector', 'objectSelector'] as const)
    errors.push(...validateLabelSelector(hook[field], `${path}.${field}`))
  oneOf('reinvocationPolicy', ['IfNeeded', 'Never'])
  if ((url === undefined) === (service === undefined))
    errors.push(required(`${path}.clientConfig`, 'exactly one of url or service is required'))
  else if (url !== undefined) checkWebhookUrl(errors, url, `${path}.clientConfig.url`)
  else if (service) checkWebhookService(errors, service, `${path}.clientConfig.service`)
  checkMatchConditions(errors, hook.matchConditions ?? [], false, expressions, `${path}.matchConditions`)
}

type Configuration = ValidatingWebhookConfiguration | MutatingWebhookConfiguration

function isKnown({ admissionReviewVersions }: Webhook): boolean {
  const versions = admissionReviewVersions ?? []
  return versions.length === 0 || versions.some((version) => REVIEW_VERSIONS.includes(version))
}

/** What an old configuration got away with, a change of it may keep. */
export function validateWebhookConfiguration(
  { webhooks = [] }: Configuration,
  old?: Configuration,
  expressions?: ExpressionRules,
): FieldError[] {
  const errors: FieldError[] = []
  const before: readonly Webhook[] = old?.webhooks ?? []
  const effects = before.every(({ sideEffects }) => HARMLESS.includes(sideEffects)) ? HARMLESS : ALL_EFFECTS
  const needsUniqueNames = new Set(before.map(({ name }) => name)).size === before.length
  const names = new Set<string>()
  for (const [i, hook] of webhooks.entries()) {
    const path = `webhooks[${i}]`
    checkWebhook(errors, hook, effects, expressions, path)
    checkReviewVersions(errors, hook.admissionReviewVersions ?? [], before.every(isKnown), `${path}.admissionReviewVersions`)
    if (needsUniqueNames && hook.name && names.has(hook.name)) errors.push(duplicate(`${path}.name`, hook.name))
    names.add(hook.name)
  }
  return errors
}

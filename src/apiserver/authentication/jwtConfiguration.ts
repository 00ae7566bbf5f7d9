/**
 * Who else's tokens are taken (AuthenticationConfiguration of apiserver.config.k8s.io): issuers of JSON Web Tokens, what makes a
 * user of their claims, and which paths are for those who show nothing. Upstream's rules and words; its --oidc-* flags say the
 * same of one issuer.
 */
import { X509Certificate } from 'node:crypto'
import { duplicate, forbidden, invalid, required } from '../../api/validation/fieldErrors.ts'
import { isDns1123Subdomain } from '../../api/validation/names.ts'
import type { FieldError } from '../../api/status.ts'
import { CompileError } from '../../cel/program.ts'
import { readsField } from '../../cel/fieldUse.ts'
import { configurationKind, flag, list, readConfiguration, struct, text, throwFieldErrors } from '../configuration/configurationFile.ts'
import { compileForClaims, compileForUser } from './jwtExpressions.ts'

export interface ClaimOrExpression {
  claim?: string
  /** Before the claim's value. */
  prefix?: string
  expression?: string
}

export interface ValidationRule {
  claim?: string
  requiredValue?: string
  expression?: string
  message?: string
}

export interface JwtIssuer {
  issuer: {
    url: string
    /** Where the provider is asked, if not below its URL. */
    discoveryURL?: string
    /** PEM; the system's authorities unless given. */
    certificateAuthority?: string
    audiences: readonly string[]
    audienceMatchPolicy?: string
    egressSelectorType?: string
  }
  claimValidationRules?: readonly ValidationRule[]
  claimMappings: {
    username: ClaimOrExpression
    groups?: ClaimOrExpression
    uid?: Omit<ClaimOrExpression, 'prefix'>
    extra?: readonly { key: string; valueExpression: string }[]
  }
  userValidationRules?: readonly ValidationRule[]
}

export interface AnonymousConfiguration {
  enabled?: boolean
  /** All paths where there are none. */
  conditions?: readonly { path?: string }[]
}

export interface AuthenticationConfiguration {
  jwt: readonly JwtIssuer[]
  anonymous?: AnonymousConfiguration
}

const claimOrExpression = { claim: text, expression: text }
const prefixed = struct('PrefixedClaimOrExpression', { ...claimOrExpression, prefix: text })
const KIND = configurationKind('AuthenticationConfiguration', ['v1', 'v1beta1', 'v1alpha1'], {
  jwt: list(
    struct('JWTAuthenticator', {
      issuer: struct('Issuer', {
        url: text,
        discoveryURL: text,
        certificateAuthority: text,
        audiences: list(text),
        audienceMatchPolicy: text,
        egressSelectorType: text,
      }),
      claimValidationRules: list(struct('ClaimValidationRule', { claim: text, requiredValue: text, expression: text, message: text })),
      claimMappings: struct('ClaimMappings', {
        username: prefixed,
        groups: prefixed,
        uid: struct('ClaimOrExpression', claimOrExpression),
        extra: list(struct('ExtraMapping', { key: text, valueExpression: text })),
      }),
      userValidationRules: list(struct('UserValidationRule', { expression: text, message: text })),
    }),
  ),
  anonymous: struct('AnonymousAuthConfig', { enabled: flag, conditions: list(struct('AnonymousAuthCondition', { path: text })) }),
})

const ISSUERS_MAX = 64

/** `ownIssuers` are those of the server's own tokens. Throws a ConfigurationFileError that names every field that is wrong. */
export function parseAuthenticationConfiguration(document: string, ownIssuers: readonly string[]): AuthenticationConfiguration {
  const read = readConfiguration(document, KIND) as unknown as Partial<AuthenticationConfiguration>
  const { jwt = [], anonymous } = read
  throwFieldErrors([...jwtErrors(jwt, ownIssuers), ...anonymousErrors(anonymous)])
  return { jwt, ...(anonymous && { anonymous }) }
}

function jwtErrors(issuers: readonly JwtIssuer[], ownIssuers: readonly string[]): FieldError[] {
  if (issuers.length > ISSUERS_MAX)
    return [{ type: 'FieldValueTooMany', field: 'jwt', message: `Too many: ${issuers.length}: must have at most ${ISSUERS_MAX} items` }]
  const [urls, discoveryUrls] = [new Set<string>(), new Set<string>()]
  return issuers.flatMap((each, i) => {
    const errors = [...issuerErrors(each, `jwt[${i}]`, ownIssuers)]
    const { url = '', discoveryURL = '' } = each.issuer ?? {}
    if (urls.has(url)) errors.push(duplicate(`jwt[${i}].issuer.url`, url))
    if (discoveryURL && discoveryUrls.has(discoveryURL)) errors.push(duplicate(`jwt[${i}].issuer.discoveryURL`, discoveryURL))
    urls.add(url)
    discoveryUrls.add(discoveryURL)
    return errors
  })
}

function anonymousErrors({ enabled = false, conditions = [] }: AnonymousConfiguration = { enabled: true }): FieldError[] {
  if (enabled || conditions.length === 0) return []
  return [invalid('anonymous.conditions', conditions, 'enabled should be set to true when conditions are defined')]
}

/** Each issuer for itself. */
export function issuerErrors(given: JwtIssuer, at: string, ownIssuers: readonly string[]): FieldError[] {
  const {
    issuer = {} as JwtIssuer['issuer'],
    claimValidationRules = [],
    claimMappings = { username: {} },
    userValidationRules = [],
  } = given
  const { url = '', discoveryURL = '', certificateAuthority = '', egressSelectorType = '' } = issuer
  const errors = url === '' ? [required(`${at}.issuer.url`)] : urlErrors(url, `${at}.issuer.url`, ownIssuers)
  if (discoveryURL !== '') {
    if (url !== '' && withoutSlash(url) === withoutSlash(discoveryURL))
      errors.push(invalid(`${at}.issuer.discoveryURL`, discoveryURL, 'discoveryURL must be different from URL'))
    errors.push(...urlErrors(discoveryURL, `${at}.issuer.discoveryURL`, []))
  }
  errors.push(...audienceErrors(issuer, `${at}.issuer`))
  if (certificateAuthority !== '' && !isCertificate(certificateAuthority))
    errors.push(invalid(`${at}.issuer.certificateAuthority`, '<omitted>', 'data does not contain any valid RSA or ECDSA certificates'))
  if (egressSelectorType !== '')
    errors.push(forbidden(`${at}.issuer.egressSelectorType`, 'there is no egress selector: the server reaches providers directly'))
  return [
    ...errors,
    ...claimRuleErrors(claimValidationRules, `${at}.claimValidationRules`),
    ...mappingErrors(claimMappings, claimValidationRules, `${at}.claimMappings`),
    ...userRuleErrors(userValidationRules, `${at}.userValidationRules`),
  ]
}

const withoutSlash = (url: string): string => url.replace(/\/+$/, '')

function isCertificate(pem: string): boolean {
  try {
    return Boolean(new X509Certificate(pem))
  } catch {
    return false
  }
}

function urlErrors(url: string, at: string, ownIssuers: readonly string[]): FieldError[] {
  const errors: FieldError[] = []
  if (ownIssuers.includes(url))
    errors.push(invalid(at, url, `URL must not overlap with disallowed issuers: [${[...ownIssuers].sort().join(' ')}]`))
  const parsed = URL.parse(url)
  if (parsed?.protocol !== 'https:') errors.push(invalid(at, url, 'URL scheme must be https'))
  if (parsed?.username || parsed?.password) errors.push(invalid(at, url, 'URL must not contain a username or password'))
  if (parsed?.search) errors.push(invalid(at, url, 'URL must not contain a query'))
  if (parsed?.hash) errors.push(invalid(at, url, 'URL must not contain a fragment'))
  return errors
}

function audienceErrors({ audiences = [], audienceMatchPolicy: policy = '' }: JwtIssuer['issuer'], at: string): FieldError[] {
  if (audiences.length === 0) return [required(`${at}.audiences`, `at least one ${at}.audiences is required`)]
  const errors = audiences.flatMap((audience, i) => [
    ...(audience === '' ? [required(`${at}.audiences[${i}]`)] : []),
    ...(audiences.indexOf(audience) < i ? [duplicate(`${at}.audiences[${i}]`, audience)] : []),
  ])
  if (policy === 'MatchAny' || (policy === '' && audiences.length === 1)) return errors
  const how = audiences.length > 1 ? 'must be MatchAny for multiple audiences' : 'must be empty or MatchAny for single audience'
  return [...errors, invalid(`${at}.audienceMatchPolicy`, policy, `audienceMatchPolicy ${how}`)]
}

/** What the compiler says against an expression. */
function expressionErrors(compile: (expression: string) => unknown, expression: string, at: string): FieldError[] {
  try {
    compile(expression)
    return []
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    return [invalid(at, expression, error.reason)]
  }
}

const compileClaims = (expression: string): unknown => compileForClaims(expression)
const compileClaimRule = (expression: string): unknown => compileForClaims(expression, 'bool')

function claimRuleErrors(rules: readonly ValidationRule[], at: string): FieldError[] {
  const seen = new Set<string>()
  return rules.flatMap((rule, i): FieldError[] => {
    const { claim = '', expression = '', requiredValue = '', message = '' } = rule
    const here = `${at}[${i}]`
    if (claim && expression) return [invalid(here, claim, "claim and expression can't both be set")]
    if (!claim && !expression) return [required(here, 'claim or expression is required')]
    const key = claim ? `claim ${claim}` : expression
    const twice = seen.has(key)
    seen.add(key)
    if (claim)
      return [
        ...(message ? [invalid(`${here}.message`, message, 'may not be specified when claim is set')] : []),
        ...(twice ? [duplicate(`${here}.claim`, claim)] : []),
      ]
    return [
      ...(requiredValue ? [invalid(`${here}.requiredValue`, requiredValue, 'may not be specified when expression is set')] : []),
      ...(twice ? [duplicate(`${here}.expression`, expression)] : expressionErrors(compileClaimRule, expression, `${here}.expression`)),
    ]
  })
}

const UNVERIFIED =
  'claims.email_verified must be used in claimMappings.username.expression or claimMappings.extra[*].valueExpression or claimValidationRules[*].expression when claims.email is used in claimMappings.username.expression'

function mappingErrors(mappings: JwtIssuer['claimMappings'], rules: readonly ValidationRule[], at: string): FieldError[] {
  const { username = {}, groups = {}, uid = {}, extra = [] } = mappings
  const errors = [
    ...prefixedErrors(username, `${at}.username`, true),
    ...prefixedErrors(groups, `${at}.groups`, false),
    ...(uid.claim && uid.expression ? [invalid(`${at}.uid`, '', "claim and expression can't both be set")] : []),
    ...(uid.expression && !uid.claim ? expressionErrors(compileClaims, uid.expression, `${at}.uid.expression`) : []),
    ...extra.flatMap(({ key = '', valueExpression = '' }, i) => {
      const here = `${at}.extra[${i}]`
      const keys = [...keyErrors(key, `${here}.key`), ...(extra.findIndex((e) => e.key === key) < i ? [duplicate(`${here}.key`, key)] : [])]
      if (valueExpression === '') return [...keys, required(`${here}.valueExpression`)]
      return [...keys, ...expressionErrors(compileClaims, valueExpression, `${here}.valueExpression`)]
    }),
  ]
  const reading = [username.expression, ...extra.map((e) => e.valueExpression), ...rules.map((rule) => rule.expression)]
  const reads = (expression: string | undefined, field: string): boolean => Boolean(expression && readsField(expression, 'claims', field))
  if (reads(username.expression, 'email') && !reading.some((expression) => reads(expression, 'email_verified')))
    errors.push(invalid(`${at}.username.expression`, username.expression, UNVERIFIED))
  return errors
}

function prefixedErrors({ claim, prefix, expression }: ClaimOrExpression, at: string, isRequired: boolean): FieldError[] {
  if (expression && claim) return [invalid(at, '', "claim and expression can't both be set")]
  if (!expression && !claim) return isRequired ? [required(at, 'claim or expression is required')] : []
  if (expression)
    return [
      ...(prefix !== undefined ? [invalid(`${at}.prefix`, prefix, 'may not be specified when expression is set')] : []),
      ...expressionErrors(compileClaims, expression, `${at}.expression`),
    ]
  const how = 'prefix is required when claim is set. It can be set to an empty string to disable prefixing'
  return prefix === undefined ? [required(`${at}.prefix`, how)] : []
}

/** `example.org/foo`, of a domain that is not Kubernetes' own. */
function keyErrors(key: string, at: string): FieldError[] {
  if (key === '') return [required(at)]
  const slash = key.indexOf('/')
  const [domain, path] = [key.slice(0, Math.max(slash, 0)), key.slice(slash + 1)]
  if (slash < 0 || domain === '' || path === '') return [invalid(at, key, 'must be a domain-prefixed path (such as "acme.io/foo")')]
  const errors = isDns1123Subdomain(domain).map((why) => invalid(at, domain, why))
  if (key !== key.toLowerCase()) errors.push(invalid(at, key, 'must be lowercase'))
  if (/(^|\.)(kubernetes|k8s)\.io$/.test(domain))
    errors.push(invalid(at, key, 'k8s.io, kubernetes.io and their subdomains are reserved for Kubernetes use'))
  return errors
}

function userRuleErrors(rules: readonly ValidationRule[], at: string): FieldError[] {
  return rules.flatMap(({ expression = '' }, i) => {
    const here = `${at}[${i}].expression`
    if (expression === '') return [required(here)]
    if (rules.findIndex((rule) => rule.expression === expression) < i) return [duplicate(here, expression)]
    return expressionErrors(compileForUser, expression, here)
  })
}

/** The user that an issuer's configuration makes of a token's claims. Pure; what it throws is told in upstream's words. */
import type { JWTPayload } from 'jose'
import type { Program } from '../../cel/program.ts'
import type { UserInfo } from '../request.ts'
import type { ClaimOrExpression, JwtIssuer, ValidationRule } from './jwtConfiguration.ts'
import { compileForClaims, compileForUser } from './jwtExpressions.ts'

const CREDENTIAL_ID = 'authentication.kubernetes.io/credential-id'
const NO_TEXT = 'expression must return a string or a list of strings'

/** Adds where it happened to what is thrown. */
function during<T>(what: string, work: () => T): T {
  try {
    return work()
  } catch (cause) {
    throw new Error(`${what}: ${(cause as Error).message}`, { cause })
  }
}

function textClaim(claims: JWTPayload, name: string): string {
  const value = claims[name]
  if (value === undefined) throw new Error('claim not present')
  if (typeof value !== 'string') throw new Error(`json: cannot unmarshal ${jsonKind(value)} into Go value of type string`)
  return value
}

const jsonKind = (value: unknown): string => (Array.isArray(value) ? 'array' : value === true || value === false ? 'bool' : typeof value)

/** A text or several; those that are empty are none. */
function textsOf(value: unknown): string[] {
  const texts: unknown[] = value === null ? [] : Array.isArray(value) ? value : [value]
  if (!texts.every((each) => typeof each === 'string')) throw new Error(NO_TEXT)
  return texts.filter((each) => each !== '')
}

const evaluated = (program: Program, variables: Readonly<Record<string, unknown>>): unknown =>
  during(`expression '${program.expression}' resulted in error`, () => program.evaluate(variables))
const evaluate = (program: Program, claims: JWTPayload): unknown => evaluated(program, { claims })

export class JwtUsers {
  readonly #issuer: JwtIssuer
  readonly #rules: readonly (ValidationRule & { program?: Program })[]
  readonly #userRules: readonly (ValidationRule & { program: Program })[]

  /** The configuration has been validated. */
  constructor(issuer: JwtIssuer) {
    this.#issuer = issuer
    this.#rules = (issuer.claimValidationRules ?? []).map((rule) =>
      rule.expression ? { ...rule, program: compileForClaims(rule.expression, 'bool') } : rule,
    )
    this.#userRules = (issuer.userValidationRules ?? []).map((rule) => ({ ...rule, program: compileForUser(rule.expression ?? '') }))
  }

  /** Throws why the claims make no user. */
  userOf(claims: JWTPayload): UserInfo {
    const uid = this.#uid(claims)
    const user: UserInfo = { name: this.#name(claims), groups: this.#groups(claims), ...(uid && { uid }), extra: this.#extra(claims) }
    this.#checkClaims(claims)
    during('error evaluating user info validation rule', () => {
      const { name: username, groups, extra } = user
      checkRules(this.#userRules, (program) => evaluated(program, { user: { username, uid, groups, extra } }))
    })
    return user
  }

  #name(claims: JWTPayload): string {
    const { claim = '', prefix = '', expression } = this.#issuer.claimMappings.username
    if (expression) {
      const name = during('error evaluating username claim expression', () => {
        const value = evaluate(compileForClaims(expression), claims)
        if (typeof value !== 'string') throw new Error('username claim expression must return a string')
        return value
      })
      if (name === '') throw new Error('empty username via CEL expression is not allowed')
      return name
    }
    const name = during(`parse username claims ${JSON.stringify(claim)}`, () => textClaim(claims, claim))
    const { email_verified: verified = true } = claims
    if (claim !== 'email' || verified === true) return prefix + name
    if (verified === false) throw new Error('email not verified')
    throw new Error(`parse 'email_verified' claim: json: cannot unmarshal ${jsonKind(verified)} into Go value of type bool`)
  }

  #groups(claims: JWTPayload): string[] {
    const { claim, prefix = '', expression }: ClaimOrExpression = this.#issuer.claimMappings.groups ?? {}
    if (claim) {
      const value = claims[claim]
      if (value === undefined || value === null) return []
      const groups: unknown[] = [value].flat()
      if (groups.every((group) => typeof group === 'string')) return groups.map((group) => prefix + group)
      throw new Error(`parse groups claim ${JSON.stringify(claim)}: json: cannot unmarshal ${jsonKind(value)} into Go value of type string`)
    }
    if (!expression) return []
    return during('error evaluating group claim expression', () => textsOf(evaluate(compileForClaims(expression), claims)))
  }

  #uid(claims: JWTPayload): string {
    const { claim, expression } = this.#issuer.claimMappings.uid ?? {}
    if (claim) return during(`parse uid claim ${JSON.stringify(claim)}`, () => textClaim(claims, claim))
    if (!expression) return ''
    return during('error evaluating uid claim expression', () => {
      const value = evaluate(compileForClaims(expression), claims)
      if (typeof value !== 'string') throw new Error('uid claim expression must return a string')
      return value
    })
  }

  #extra(claims: JWTPayload): UserInfo['extra'] {
    const extra: Record<string, string[]> = {}
    if (typeof claims.jti === 'string' && claims.jti !== '') extra[CREDENTIAL_ID] = [`JTI=${claims.jti}`]
    for (const { key, valueExpression } of this.#issuer.claimMappings.extra ?? []) {
      const value = evaluate(compileForClaims(valueExpression), claims)
      const values = during(`error evaluating extra claim expression: ${valueExpression}`, () => textsOf(value))
      if (values.length > 0) extra[key] = values
    }
    return extra
  }

  #checkClaims(claims: JWTPayload): void {
    for (const { claim, requiredValue: wanted = '' } of this.#rules) {
      if (!claim) continue
      if (claims[claim] === undefined) throw new Error(`required claim ${claim} not present in ID token`)
      const value = during(`parse claim ${claim}`, () => textClaim(claims, claim))
      if (value !== wanted) throw new Error(`required claim ${claim} value does not match. Got = ${value}, want = ${wanted}`)
    }
    const expressions = this.#rules.flatMap((rule) => (rule.program ? [{ ...rule, program: rule.program }] : []))
    during('error evaluating claim validation expression', () => checkRules(expressions, (program) => evaluate(program, claims)))
  }
}

function checkRules(rules: readonly (ValidationRule & { program: Program })[], holds: (program: Program) => unknown): void {
  for (const { program, expression, message = '' } of rules) {
    if (holds(program) !== true) throw new Error(`validation expression '${expression}' failed: ${message}`)
  }
}

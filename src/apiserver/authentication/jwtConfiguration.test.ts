import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthenticationConfiguration } from './jwtConfiguration.ts'

const file = (more: object): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthenticationConfiguration', ...more })
const username = { claim: 'sub', prefix: '' }
const issuer = { url: 'https://i', audiences: ['a'] }
const one = (more: object): string => file({ jwt: [{ issuer, claimMappings: { username }, ...more }] })
const OWN = ['https://kubernetes.default.svc']

test('what is right is taken', () => {
  const configuration = parseAuthenticationConfiguration(
    one({
      claimValidationRules: [{ claim: 'hd', requiredValue: 'x' }, { expression: 'claims.email_verified == true' }],
      claimMappings: { username: { expression: 'claims.email' }, extra: [{ key: 'x.io/a', valueExpression: "'a'" }] },
      userValidationRules: [{ expression: "user.username != ''", message: 'm' }],
    }),
    OWN,
  )
  assert.equal(configuration.jwt.length, 1)
  const anonymous = { enabled: true, conditions: [{ path: '/livez' }] }
  assert.deepEqual(parseAuthenticationConfiguration(file({ anonymous }), OWN), { jwt: [], anonymous })
})

test('what is wrong is told in upstream’s words', () => {
  const mapped = (claimMappings: object): string => one({ claimMappings: { username, ...claimMappings } })
  const ruled = (...claimValidationRules: object[]): string => one({ claimValidationRules })
  const cases: [document: string, expected: RegExp][] = [
    ['kind: X', /no kind "X" is known for version ""/],
    [one({ foo: 1 }), /strict decoding error: unknown field "jwt\[0\].foo"/],
    [
      file({ anonymous: { enabled: false, conditions: [{ path: '/' }] } }),
      /^anonymous.conditions: Invalid value: .* enabled should be set to true when/,
    ],
    [one({ issuer: { audiences: ['a'] } }), /^jwt\[0\].issuer.url: Required value$/],
    [one({ issuer: { ...issuer, url: 'http://i' } }), /jwt\[0\].issuer.url: Invalid value: "http:\/\/i": URL scheme must be https/],
    [one({ issuer: { ...issuer, url: 'https://a:b@i?q#f' } }), /username or password.*a query.*a fragment/],
    [one({ issuer: { ...issuer, url: OWN[0] } }), /URL must not overlap with disallowed issuers: \[https:\/\/kubernetes.default.svc\]/],
    [one({ issuer: { ...issuer, discoveryURL: 'https://i/' } }), /discoveryURL must be different from URL/],
    [
      one({ issuer: { url: 'https://i' } }),
      /jwt\[0\].issuer.audiences: Required value: at least one jwt\[0\].issuer.audiences is required/,
    ],
    [one({ issuer: { ...issuer, audiences: ['a', 'b'] } }), /audienceMatchPolicy must be MatchAny for multiple audiences/],
    [one({ issuer: { ...issuer, audienceMatchPolicy: 'X' } }), /audienceMatchPolicy must be empty or MatchAny for single audience/],
    [one({ issuer: { ...issuer, certificateAuthority: 'x' } }), /certificateAuthority: Invalid value: "<omitted>": data does not contain/],
    [one({ issuer: { ...issuer, egressSelectorType: 'cluster' } }), /there is no egress selector/],
    [file({ jwt: [0, 1].map(() => ({ issuer, claimMappings: { username } })) }), /^jwt\[1\].issuer.url: Duplicate value: "https:\/\/i"$/],
    [ruled({ claim: 'a', expression: 'true' }), /claimValidationRules\[0\]: Invalid value: "a": claim and expression can't both be set/],
    [ruled({}), /claimValidationRules\[0\]: Required value: claim or expression is required/],
    [ruled({ claim: 'a', message: 'm' }), /claimValidationRules\[0\].message: .*may not be specified when claim is set/],
    [ruled({ expression: 'true', requiredValue: 'm' }), /requiredValue: .*may not be specified when expression is set/],
    [ruled({ expression: 'true' }, { expression: 'true' }), /claimValidationRules\[1\].expression: Duplicate value: "true"/],
    [ruled({ expression: '1' }), /claimValidationRules\[0\].expression: Invalid value: "1": must evaluate to bool$/],
    [ruled({ expression: 'user.uid == ""' }), /compilation failed: ERROR: <input>:1:1: undeclared reference to 'user'/],
    [mapped({ username: {} }), /claimMappings.username: Required value: claim or expression is required/],
    [mapped({ username: { claim: 'a' } }), /claimMappings.username.prefix: Required value: prefix is required when claim is set/],
    [
      mapped({ username: { expression: 'claims.a', prefix: '' } }),
      /claimMappings.username.prefix: .*may not be specified when expression is set/,
    ],
    [mapped({ groups: { claim: 'a', expression: 'claims.a' } }), /claimMappings.groups: .*claim and expression can't both be set/],
    [mapped({ uid: { claim: 'a', expression: 'claims.a' } }), /claimMappings.uid: .*claim and expression can't both be set/],
    [mapped({ username: { expression: 'claims.email' } }), /claims.email_verified must be used in claimMappings.username.expression or/],
    [mapped({ extra: [{ key: 'a', valueExpression: "''" }] }), /extra\[0\].key: Invalid value: "a": must be a domain-prefixed path/],
    [mapped({ extra: [{ key: 'X.io/A', valueExpression: "''" }] }), /must be lowercase/],
    [mapped({ extra: [{ key: 'a.k8s.io/a', valueExpression: "''" }] }), /k8s.io, kubernetes.io and their subdomains are reserved/],
    [mapped({ extra: [{ key: 'x.io/a' }] }), /extra\[0\].valueExpression: Required value/],
    [one({ userValidationRules: [{}] }), /userValidationRules\[0\].expression: Required value/],
    [one({ userValidationRules: [{ expression: 'user.foo' }] }), /undefined field 'foo'/],
  ]
  for (const [document, expected] of cases)
    assert.throws(
      () => parseAuthenticationConfiguration(document, OWN),
      (error: Error) => {
        assert.match(error.message, expected, document)
        return error.name === 'ConfigurationFileError'
      },
    )
})

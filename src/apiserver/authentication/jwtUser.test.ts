import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { JWTPayload } from 'jose'
import type { JwtIssuer } from './jwtConfiguration.ts'
import { JwtUsers } from './jwtUser.ts'

type Mappings = Partial<JwtIssuer['claimMappings']>

const users = (mappings: Mappings, more: Partial<JwtIssuer> = {}): JwtUsers =>
  new JwtUsers({
    issuer: { url: 'https://i', audiences: ['a'] },
    claimMappings: { username: { claim: 'sub', prefix: '' }, ...mappings },
    ...more,
  })

function outcome(jwt: JwtUsers, claims: JWTPayload): unknown {
  try {
    return jwt.userOf({ sub: 's', ...claims })
  } catch (error) {
    return (error as Error).message
  }
}

test('claims make a user', () => {
  const email = { username: { claim: 'email', prefix: '' } }
  const groups = { groups: { claim: 'groups', prefix: 'oidc:' } }
  const user = (more: object): object => ({ name: 's', groups: [], extra: {}, ...more })
  const cases: [mappings: Mappings, claims: JWTPayload, expected: object | string][] = [
    [{ username: { claim: 'sub', prefix: 'x#' } }, {}, user({ name: 'x#s' })],
    [email, { email: 'jane@x', email_verified: true }, user({ name: 'jane@x' })],
    [email, { email: 'jane@x' }, user({ name: 'jane@x' })],
    [email, { email: 'jane@x', email_verified: false }, 'email not verified'],
    [
      email,
      { email: 'jane@x', email_verified: 'yes' },
      "parse 'email_verified' claim: json: cannot unmarshal string into Go value of type bool",
    ],
    [email, {}, 'parse username claims "email": claim not present'],
    [email, { email: 1 }, 'parse username claims "email": json: cannot unmarshal number into Go value of type string'],
    [groups, { groups: ['a', 'b'] }, user({ groups: ['oidc:a', 'oidc:b'] })],
    [groups, { groups: 'a' }, user({ groups: ['oidc:a'] })],
    [groups, {}, user({})],
    [groups, { groups: { a: 1 } }, 'parse groups claim "groups": json: cannot unmarshal object into Go value of type string'],
    [{ uid: { claim: 'id' } }, { id: 'u' }, user({ uid: 'u' })],
    [{ uid: { claim: 'id' } }, {}, 'parse uid claim "id": claim not present'],
    [{}, { jti: 'j' }, user({ extra: { 'authentication.kubernetes.io/credential-id': ['JTI=j'] } })],
    [{ username: { expression: "claims.sub + ':' + claims.realm" } }, { realm: 'r' }, user({ name: 's:r' })],
    [
      { username: { expression: 'claims.n' } },
      { n: 1 },
      'error evaluating username claim expression: username claim expression must return a string',
    ],
    [{ username: { expression: 'claims.n' } }, { n: '' }, 'empty username via CEL expression is not allowed'],
    [
      { username: { expression: 'claims.n' } },
      {},
      "error evaluating username claim expression: expression 'claims.n' resulted in error: no such key: n",
    ],
    [{ groups: { expression: "claims.roles.split(',')" } }, { roles: 'a,,b' }, user({ groups: ['a', 'b'] })],
    [{ groups: { expression: "'roles' in claims ? claims.roles : null" } }, {}, user({})],
    [
      { groups: { expression: 'claims.roles' } },
      { roles: [1] },
      'error evaluating group claim expression: expression must return a string or a list of strings',
    ],
    [{ uid: { expression: 'claims.realm' } }, { realm: 'r' }, user({ uid: 'r' })],
    [
      {
        extra: [
          { key: 'x.io/a', valueExpression: 'claims.realm' },
          { key: 'x.io/b', valueExpression: "''" },
        ],
      },
      { realm: ['r', 's'] },
      user({ extra: { 'x.io/a': ['r', 's'] } }),
    ],
  ]
  for (const [mappings, claims, expected] of cases) assert.deepEqual(outcome(users(mappings), claims), expected)
})

test('rules about claims and about the user', () => {
  const rules = users(
    { extra: [{ key: 'x.io/a', valueExpression: 'claims.realm' }] },
    {
      claimValidationRules: [
        { claim: 'hd', requiredValue: 'x' },
        { expression: 'claims.exp - claims.iat <= 3600', message: 'it lasts too long' },
      ],
      userValidationRules: [{ expression: "!user.username.startsWith('system:') && user.extra['x.io/a'] == ['r']", message: 'reserved' }],
    },
  )
  const claims = { hd: 'x', exp: 3_600, iat: 0, realm: 'r' }
  assert.equal((outcome(rules, claims) as { name: string }).name, 's')
  const rejected = (more: JWTPayload): unknown => outcome(rules, { ...claims, ...more })
  assert.equal(outcome(rules, { exp: 1, iat: 0, realm: 'r' }), 'required claim hd not present in ID token')
  assert.equal(rejected({ hd: 'y' }), 'required claim hd value does not match. Got = y, want = x')
  assert.equal(rejected({ hd: 1 }), 'parse claim hd: json: cannot unmarshal number into Go value of type string')
  assert.equal(
    rejected({ exp: 9_999 }),
    "error evaluating claim validation expression: validation expression 'claims.exp - claims.iat <= 3600' failed: it lasts too long",
  )
  assert.match(
    String(rejected({ sub: 'system:admin' })),
    /^error evaluating user info validation rule: validation expression '.*' failed: reserved$/,
  )
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { bodyMediaType, negotiate, parseAccept, patchMediaType, wantsPretty } from './negotiation.ts'

const rules = { transforms: ['Table', 'PartialObjectMetadata'] as const, routed: true, pretty: false }
const chosen = (accept: string): string => {
  const { mediaType, as } = negotiate(accept, rules)
  return as ? `${mediaType} as ${as}` : mediaType
}

test('the best clause that can be served wins', () => {
  const table = 'application/json;as=Table;v=v1;g=meta.k8s.io'
  for (const [accept, expected] of [
    ['', 'application/json'],
    ['*/*', 'application/json'],
    ['text/html, */*', 'application/json'],
    ['application/json;q=0.5,application/yaml;q=0.9', 'application/yaml'],
    ['application/vnd.kubernetes.protobuf,application/json', 'application/vnd.kubernetes.protobuf'],
    [`${table},application/json`, 'application/json as Table'],
    ['application/json;as=Table;v=v7;g=meta.k8s.io,application/json', 'application/json'],
    ['application/json;stream=foo,application/yaml;stream=watch,application/json;stream=watch', 'application/json'],
    ['application/vnd.kubernetes.protobuf;as=Table;v=v1;g=meta.k8s.io,application/json', 'application/json'],
  ] as const)
    assert.equal(chosen(accept), expected, accept)
})

test('the router and the serializer refuse in different words', () => {
  assert.throws(() => chosen('text/html'), /^StatusError: 406: Not Acceptable\n\nAvailable representations: application\/json, /)
  assert.throws(() => chosen('application/*'), /406: Not Acceptable/)
  assert.throws(() => chosen('application/json;as=Poem;g=meta.k8s.io;v=v1'), /only the following media types are accepted/)
  for (const accept of ['application/yaml', 'application/yaml, */*', 'application/json;q=0.1,application/yaml;q=0.9'])
    assert.throws(() => negotiate(accept, { ...rules, streaming: true }), /are accepted: application\/json;stream=watch, /, accept)
  // What would not do for a list either is refused as for one.
  const poem = 'application/json;as=Poem;g=meta.k8s.io;v=v1'
  assert.throws(() => negotiate(poem, { ...rules, streaming: true }), /are accepted: application\/json, application\/yaml, /)
})

test('bodies have to be of a type that can be read', () => {
  assert.equal(bodyMediaType('application/json; charset=utf-8'), 'application/json')
  assert.equal(bodyMediaType(''), 'application/json')
  assert.throws(() => bodyMediaType('text/plain'), /the body of the request was in an unknown format/)
  assert.throws(() => patchMediaType('', true), /415: Unsupported Media Type/)
  const strategic = 'application/strategic-merge-patch+json'
  assert.equal(patchMediaType(strategic, true), strategic)
  for (const type of [strategic, 'text/plain'])
    assert.throws(
      () => patchMediaType(type, false),
      /include: application\/json-patch\+json, application\/merge-patch\+json, application\/apply-patch\+yaml$/,
    )
})

test('a header with endless clauses is not read to its end', () => {
  assert.equal(parseAccept(Array(1000).fill('application/json').join(',')).length, 64)
})

test('people get pretty JSON', () => {
  assert.equal(wantsPretty(new URLSearchParams(), 'curl/8'), true)
  assert.equal(wantsPretty(new URLSearchParams('pretty=0'), 'curl/8'), false)
  assert.equal(wantsPretty(new URLSearchParams('pretty=T'), 'kubectl'), true)
  assert.equal(wantsPretty(new URLSearchParams('pretty=yes'), 'curl/8'), false)
  assert.equal(wantsPretty(new URLSearchParams('pretty'), 'kubectl'), false)
})

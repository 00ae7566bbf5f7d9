import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { ask, startTestServer } from '../testServer.ts'
import type { TestApiServer } from '../testServer.ts'
import { negotiatePage } from './zpages.ts'

let api: TestApiServer
before(async () => (api = await startTestServer()))
after(() => api.stop())

test('a status is text unless a document is asked for', () => {
  const document = (type: string, version: string): string => `${type};v=${version};g=config.k8s.io;as=Statusz`
  const cases: [accept: string, type: string, version: string][] = [
    ['', 'text/plain', ''],
    ['*/*', 'text/plain', ''],
    ['text/plain', 'text/plain', ''],
    [document('application/json', 'v1beta1'), 'application/json', 'v1beta1'],
    [`${document('application/yaml', 'v1')}, text/plain`, 'text/plain', ''],
  ]
  for (const [accept, type, version] of cases) assert.deepEqual(negotiatePage(accept, 'Statusz'), { type, version }, accept)
  for (const accept of ['application/json', 'text/html', document('application/json', 'v2')])
    assert.throws(
      () => negotiatePage(accept, 'Statusz'),
      /only the following media types are accepted: application\/json, application\/yaml, text\/plain/,
    )
})

test('what runs here, and since when', async () => {
  const session = api.session(api.admin)
  const text = await ask(session, 'GET', '/statusz')
  assert.equal(text.headers['content-type'], 'text/plain; charset=utf-8')
  assert.match(
    text.body,
    /\nStarted: \w{3} \w{3} \d\d \d\d:\d\d:\d\d UTC \d{4}\nUp: 0 hr 00 min \d\d sec\n.*\nBinary version: 1\.36\.2\nEmulation version: 1\.36\n/,
  )
  const accept = 'application/json;v=v1alpha1;g=config.k8s.io;as=Statusz'
  const json = await ask(session, 'GET', '/statusz', { headers: { accept } })
  assert.match(String(json.headers['warning']), /^299 - "This version of the statusz endpoint is deprecated/)
  const { kind, apiVersion, binaryVersion } = JSON.parse(json.body) as Record<string, unknown>
  assert.deepEqual({ kind, apiVersion, binaryVersion }, { kind: 'Statusz', apiVersion: 'config.k8s.io/v1alpha1', binaryVersion: '1.36.2' })
  assert.equal((await ask(api.session(), 'GET', '/statusz')).status, 403)
  assert.equal((await ask(session, 'GET', '/statusz/')).status, 404)
})

test('the flags that are in force', async () => {
  const session = api.session(api.admin)
  const text = await ask(session, 'GET', '/flagz')
  assert.match(text.body, /^\napiserver flagz\nWarning: .*\nauthorization-mode:\[Node,RBAC\]\n/)
  const accept = 'application/json;v=v1beta1;g=config.k8s.io;as=Flagz'
  const { kind, flags } = JSON.parse((await ask(session, 'GET', '/flagz', { headers: { accept } })).body) as { kind: string; flags: object }
  assert.deepEqual({ kind, flags }, { kind: 'Flagz', flags: { 'authorization-mode': '[Node,RBAC]' } })
  assert.equal((await ask(api.session(), 'GET', '/flagz')).status, 403)
})

/** The audit log of a control plane: what the policy asks for is in its file, and no credential is. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import type { ClientHttp2Session } from 'node:http2'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { ask } from '../../src/apiserver/testServer.ts'

interface AuditEvent {
  level: string
  stage: string
  verb: string
  requestURI: string
  auditID: string
  user: { username?: string; groups?: string[] }
  impersonatedUser?: { username: string }
  objectRef?: { resource: string; name?: string; namespace?: string }
  responseStatus?: { code?: number; reason?: string }
  requestObject?: { metadata: { name: string } }
  responseObject?: { metadata: { uid?: string; managedFields?: unknown } }
  annotations?: Record<string, string>
  sourceIPs?: string[]
}

const POLICY = `apiVersion: audit.k8s.io/v1
kind: Policy
omitManagedFields: true
omitStages: [RequestReceived]
rules:
- {level: None, nonResourceURLs: ["/livez"]}
- {level: Metadata, resources: [{group: "", resources: [secrets]}]}
- {level: RequestResponse, resources: [{group: "", resources: [configmaps]}]}
- {level: Metadata}
`

test('requests are written down by the policy', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'minicube-audit-'))
  const file = (name: string): string => join(folder, name)
  writeFileSync(file('policy.yaml'), POLICY)
  writeFileSync(file('tokens.csv'), 'topsecrettoken,jane,1,"system:masters"\n')
  const flags = { listen: '127.0.0.1:0', 'audit-policy-file': file('policy.yaml'), 'audit-log-path': file('audit.log') }
  const args = Object.entries({ ...flags, controllers: 'namespace-controller', 'token-auth-file': file('tokens.csv') })
  const server = spawn(process.execPath, ['src/node/controlPlane.ts', ...args.flatMap(([name, value]) => [`--${name}`, value])], {
    cwd: join(import.meta.dirname, '../..'),
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let session: ClientHttp2Session | undefined
  try {
    const [line] = (await once(createInterface({ input: server.stdout }), 'line')) as [string]
    session = connect(String(/https:\S+/.exec(line)?.[0]), { rejectUnauthorized: false })
    const connected = session
    const send = (method: string, path: string, body?: object, more: Record<string, string> = {}) =>
      ask(connected, method, path, {
        headers: { authorization: 'Bearer topsecrettoken', ...more },
        ...(body && { body: JSON.stringify(body) }),
      })
    await send('GET', '/livez')
    await send('POST', '/api/v1/namespaces/default/secrets', { metadata: { name: 's' }, stringData: { password: 'hunter2' } })
    await send('POST', '/api/v1/namespaces/default/configmaps', { metadata: { name: 'c' }, data: { a: 'b' } })
    await send('GET', '/api/v1/namespaces/default/pods', undefined, { 'impersonate-user': 'nobody' })
    await send('GET', '/api/v1/pods', undefined, { authorization: 'Bearer wrongtoken' })
    await send('GET', '/api/v1/namespaces/default/pods/none', undefined, {
      'audit-id': 'mine',
      'x-forwarded-for': '192.0.2.1, nobody',
      'x-real-ip': '192.0.2.2',
    })
  } finally {
    session?.destroy()
    server.kill('SIGTERM')
    await once(server, 'close')
  }
  const text = readFileSync(file('audit.log'), 'utf8')
  rmSync(folder, { recursive: true })
  assert.doesNotMatch(text, /topsecrettoken|wrongtoken|hunter2|\/livez/)
  const events = text
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as AuditEvent)
  assert.ok(events.every(({ stage }) => stage !== 'RequestReceived'))
  const byComponents = events.filter(({ user }) => user.username?.startsWith('system:')).map(({ user, verb }) => `${user.username} ${verb}`)
  assert.ok(byComponents.includes('system:apiserver create'), 'what the server itself brings about')
  assert.ok(byComponents.includes('system:kube-controller-manager watch'), 'what controllers in its process ask for')
  const of = (resource: string, verb: string): AuditEvent | undefined =>
    events.find((e) => e.objectRef?.resource === resource && e.verb === verb && e.user.username === 'jane')
  const secret = of('secrets', 'create')
  assert.deepEqual([secret?.level, secret?.requestObject, secret?.responseStatus?.code], ['Metadata', undefined, 201])
  assert.deepEqual([secret?.user.username, secret?.objectRef?.name], ['jane', 's'])
  const map = of('configmaps', 'create')
  assert.equal(map?.requestObject?.metadata.name, 'c')
  assert.ok(map?.responseObject?.metadata.uid)
  assert.equal(map.responseObject.metadata.managedFields, undefined)
  assert.equal(map.annotations?.['authorization.k8s.io/decision'], 'allow')
  const refused = of('pods', 'list')
  assert.deepEqual(
    [refused?.impersonatedUser?.username, refused?.responseStatus?.code, refused?.responseStatus?.reason],
    ['nobody', 403, 'Forbidden'],
  )
  assert.equal(refused?.annotations?.['authorization.k8s.io/decision'], 'forbid')
  assert.deepEqual(events.find((e) => e.responseStatus?.code === 401)?.user, {})
  const mine = events.find((e) => e.auditID === 'mine')
  assert.equal(mine?.responseStatus?.code, 404)
  assert.deepEqual(mine.sourceIPs, ['192.0.2.1', '192.0.2.2', '127.0.0.1'])
})

import assert from 'node:assert/strict'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { TestAuthority } from '../testServer.ts'
import { RemoteServer } from './remoteServer.ts'

test('a kept connection that its server closes is no failure of what is read; what is written is not sent twice', async (t) => {
  const authority = await TestAuthority.create('aggregation')
  const seen = new WeakSet()
  let connections = 0
  const server = createServer(await authority.issue('CN=extension', { server: true, names: ['s.ns.svc'] }), (request, response) => {
    // Each connection answers once.
    if (seen.has(request.socket)) return request.socket.destroy()
    seen.add(request.socket)
    connections++
    response.end('ok')
  })
  t.after(() => server.close())
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as AddressInfo
  const remote = new RemoteServer({
    apiService: {
      metadata: { name: 'v1.x.y', uid: 'u', resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' },
      spec: {
        group: 'x.y',
        version: 'v1',
        groupPriorityMinimum: 1,
        versionPriority: 1,
        service: { namespace: 'ns', name: 's', port: 443 },
        caBundle: Buffer.from(authority.cert).toString('base64'),
      },
    },
    proxyClient: await authority.issue('CN=front-proxy-client'),
    resolve: () => ({ host: '127.0.0.1', port }),
  })
  t.after(() => remote.close())
  const user = { name: 'me', uid: '', groups: [], extra: {} }
  const ask = (method: string) => remote.ask('/apis/x.y/v1/things', { user, method, signal: t.signal })
  for (let round = 1; round <= 3; round++) {
    assert.equal((await ask('GET')).status, 200)
    assert.equal(connections, round)
  }
  await assert.rejects(ask('POST'), { code: 'ECONNRESET' })
})

/** What can be set of the API server by upstream's flags (`--extra-config apiserver.…`), seen from outside. */
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { connect } from 'node:http2'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, it } from 'node:test'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { ask as askServer, TestAuthority } from '../../src/apiserver/testServer.ts'
import { systemClock } from '../../src/base/clock.ts'
import { Connection } from '../bench/apiLoad.ts'
import { ControlPlaneProcess } from './controlPlaneProcess.ts'

const folder = mkdtempSync(join(tmpdir(), 'minicube-options-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const WAIT_MS = 10_000
const NAMESPACE = '/api/v1/namespaces/default'
const json = (object: object): Buffer => Buffer.from(JSON.stringify(object))
let runs = 0

async function withServer(
  options: Readonly<Record<string, string>>,
  use: (connection: Connection, server: ControlPlaneProcess) => Promise<void>,
): Promise<void> {
  const extra = Object.entries(options).flatMap(([name, value]) => ['--extra-config', `apiserver.${name}=${value}`])
  const kubeconfig = join(folder, `${runs++}.kubeconfig`)
  const server = new ControlPlaneProcess(kubeconfig, ['--data', join(folder, 'data'), '--controllers=serviceaccount-controller', ...extra])
  await server.start()
  const connection = new Connection(server.target)
  try {
    await use(connection, server)
  } finally {
    connection.close()
    await server.kill('SIGTERM')
  }
}

const ask = async (connection: Connection, method: string, path: string, body?: object): Promise<Record<string, unknown>> =>
  JSON.parse((await connection.request(method, path, body && json(body))).toString()) as Record<string, unknown>

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const endMs = Date.now() + WAIT_MS
  while (!(await isSo())) {
    assert.ok(Date.now() < endMs, what)
    await systemClock.sleep(50)
  }
}

const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString()) as Record<string, unknown>

it('tokens of a former issuer stay good', { timeout: 60_000 }, async () => {
  const request = async (connection: Connection): Promise<string> => {
    await until('the account', () =>
      ask(connection, 'GET', `${NAMESPACE}/serviceaccounts/default`).then(
        () => true,
        () => false,
      ),
    )
    const answer = await ask(connection, 'POST', `${NAMESPACE}/serviceaccounts/default/token`, { spec: {} })
    return (answer['status'] as { token: string }).token
  }
  const review = async (connection: Connection, token: string, audiences: string[]): Promise<unknown> => {
    const answer = await ask(connection, 'POST', '/apis/authentication.k8s.io/v1/tokenreviews', { spec: { token, audiences } })
    return (answer['status'] as { authenticated?: boolean }).authenticated
  }
  let former = ''
  await withServer({ 'service-account-issuer': 'https://former' }, async (connection) => {
    former = await request(connection)
    assert.equal(claimsOf(former)['iss'], 'https://former')
  })
  await withServer({ 'service-account-issuer': 'https://new,https://former', 'api-audiences': 'mine' }, async (connection) => {
    const token = await request(connection)
    const { iss, aud } = claimsOf(token)
    assert.deepEqual([iss, aud], ['https://new', ['mine']])
    assert.deepEqual([await review(connection, token, ['mine']), await review(connection, former, ['https://former'])], [true, true])
  })
  await withServer({ 'service-account-issuer': 'https://new' }, async (connection) =>
    assert.equal(await review(connection, former, ['https://former']), undefined),
  )
})

it('nobody without a credential, events that go soon, a pod that tolerates for less', { timeout: 60_000 }, () =>
  withServer(
    {
      'anonymous-auth': 'false',
      'event-ttl': '1s',
      'default-not-ready-toleration-seconds': '7',
      'disable-admission-plugins': 'ServiceAccount',
    },
    async (connection, server) => {
      const { url, ca } = server.target
      const session = connect(url, { ca })
      assert.equal((await askServer(session, 'GET', '/livez')).status, 401)
      session.close()
      const involvedObject = { kind: 'Pod', namespace: 'default', name: 'p' }
      await ask(connection, 'POST', `${NAMESPACE}/events`, { metadata: { name: 'e' }, involvedObject })
      await until('the event to go', () =>
        ask(connection, 'GET', `${NAMESPACE}/events/e`).then(
          () => false,
          () => true,
        ),
      )
      const pod = await ask(connection, 'POST', `${NAMESPACE}/pods`, {
        metadata: { name: 'p' },
        spec: { containers: [{ name: 'c', image: 'i' }] },
      })
      const { tolerations } = pod['spec'] as { tolerations: { tolerationSeconds: number }[] }
      assert.deepEqual(
        tolerations.map(({ tolerationSeconds }) => tolerationSeconds),
        [7, 300],
      )
    },
  ),
)

it("users of an OpenID Connect provider are the cluster's", { timeout: 60_000 }, async () => {
  const authority = await TestAuthority.create('provider')
  const { publicKey, privateKey } = await generateKeyPair('RS256')
  const keys = [{ ...(await exportJWK(publicKey)), kid: 'k', alg: 'RS256' }]
  let issuer = ''
  const provider = createServer(await authority.issue('CN=localhost', { server: true, names: ['localhost'] }), ({ url }, response) =>
    response.end(JSON.stringify(url === '/keys' ? { keys } : { issuer, jwks_uri: `${issuer}/keys` })),
  )
  await new Promise<void>((resolve) => provider.listen(0, 'localhost', resolve))
  issuer = `https://localhost:${(provider.address() as AddressInfo).port}`
  const caFile = join(folder, 'provider.crt')
  writeFileSync(caFile, authority.cert)
  const options = { 'oidc-issuer-url': issuer, 'oidc-client-id': 'kubernetes', 'oidc-ca-file': caFile, 'oidc-username-claim': 'email' }
  const token = await new SignJWT({ email: 'jane@example.com', groups: ['class-1'] })
    .setProtectedHeader({ alg: 'RS256', kid: 'k' })
    .setIssuer(issuer)
    .setAudience('kubernetes')
    .setExpirationTime('10m')
    .sign(privateKey)
  try {
    await withServer({ ...options, 'oidc-groups-claim': 'groups', 'oidc-groups-prefix': 'school:' }, async (_connection, { target }) => {
      const session = connect(target.url, { ca: target.ca })
      const whoAmI = (bearer: string) =>
        askServer(session, 'POST', '/apis/authentication.k8s.io/v1/selfsubjectreviews', {
          headers: { authorization: `Bearer ${bearer}` },
          body: '{}',
        })
      const { status } = JSON.parse((await whoAmI(token)).body.toString()) as { status: { userInfo: object } }
      assert.deepEqual(status.userInfo, { username: 'jane@example.com', groups: ['school:class-1', 'system:authenticated'] })
      assert.equal((await whoAmI(`${token.slice(0, -4)}AAAA`)).status, 401)
      session.close()
    })
  } finally {
    provider.closeAllConnections()
    provider.close()
  }
})

it('one that is to end goes on for a while, not ready', { timeout: 60_000 }, () =>
  withServer({ 'shutdown-delay-duration': '2s' }, async (connection, server) => {
    const ended = server.kill('SIGTERM')
    await until('not ready', () =>
      connection.request('GET', '/readyz/shutdown').then(
        () => false,
        (error: Error) => /process is shutting down/.test(error.message),
      ),
    )
    await ask(connection, 'GET', `${NAMESPACE}/configmaps`)
    connection.close()
    await ended
  }),
)

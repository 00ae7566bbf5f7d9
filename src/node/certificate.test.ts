import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { test } from 'node:test'
import { connect, createServer, type TLSSocket } from 'node:tls'
import { makeCertificate, type CertificateOptions } from './certificate.ts'

const DAY_MS = 86_400_000
const keys = () => generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = (key: ReturnType<typeof keys>['privateKey']): string => key.export({ type: 'pkcs8', format: 'pem' }) as string

const authorityKeys = keys()
const times = { notBeforeMs: Date.now() - DAY_MS, notAfterMs: Date.now() + 3650 * DAY_MS }
const authority = makeCertificate({
  serialNumber: '4001',
  subject: { commonName: 'test-ca' },
  publicKey: authorityKeys.publicKey,
  signingKey: authorityKeys.privateKey,
  usage: 'authority',
  ...times,
})

function issue(more: Pick<CertificateOptions, 'subject' | 'usage'> & Partial<CertificateOptions>): { cert: string; key: string } {
  const { publicKey, privateKey } = keys()
  const issuer = new X509Certificate(authority)
  const cert = makeCertificate({ serialNumber: '4002', publicKey, issuer, signingKey: authorityKeys.privateKey, ...times, ...more })
  return { cert, key: pem(privateKey) }
}

test('a certificate says what it was made with, and its authority vouches for it', () => {
  const names = ['localhost', 'kubernetes.default.svc', '127.0.0.1', '::1', 'fd00:1::a:2']
  const { cert } = issue({ subject: { organizations: ['system:nodes', 'käse'], commonName: 'system:node:a' }, usage: 'server', names })
  const [certificate, ca] = [new X509Certificate(cert), new X509Certificate(authority)]
  assert.equal(certificate.subject, 'O=system:nodes\nO=käse\nCN=system:node:a')
  assert.equal(certificate.issuer, 'CN=test-ca')
  assert.equal(certificate.serialNumber, '4002')
  assert.equal(
    certificate.subjectAltName,
    'DNS:localhost, DNS:kubernetes.default.svc, IP Address:127.0.0.1, IP Address:0:0:0:0:0:0:0:1, IP Address:FD00:1:0:0:0:0:A:2',
  )
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.1'])
  assert.equal(Math.floor(times.notAfterMs / 1000), new Date(certificate.validTo).getTime() / 1000)
  assert.ok(certificate.checkIssued(ca))
  assert.ok(certificate.verify(ca.publicKey))
  assert.deepEqual([ca.ca, certificate.ca], [true, false])
})

test('a time beyond 2049 is written with its century', () => {
  const { cert } = issue({ subject: { commonName: 'late' }, usage: 'client', notAfterMs: Date.UTC(2061, 6, 1) })
  assert.equal(new Date(new X509Certificate(cert).validTo).getTime(), Date.UTC(2061, 6, 1))
})

test('both sides of a TLS connection accept them', async () => {
  const server = createServer({
    ...issue({ subject: { commonName: 'server' }, usage: 'server', names: ['127.0.0.1'] }),
    ca: authority,
    requestCert: true,
    rejectUnauthorized: true,
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as { port: number }
  const accepted = once(server, 'secureConnection') as Promise<[TLSSocket]>
  const client = connect({ host: '127.0.0.1', port, ca: authority, ...issue({ subject: { commonName: 'someone' }, usage: 'client' }) })
  await once(client, 'secureConnect')
  const [socket] = await accepted
  assert.ok(client.authorized && socket.authorized)
  assert.equal(socket.getPeerCertificate().subject.CN, 'someone')
  client.destroy()
  socket.destroy()
  server.close()
})

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { TestAuthority } from '../testServer.ts'
import { clientCertificate, userOfCertificate } from './x509.ts'

const subjects: { subject: string; user: object | undefined }[] = [
  { subject: 'O=system:masters, CN=admin', user: { name: 'admin', groups: ['system:masters'] } },
  { subject: 'O=one, O=two, CN=jane', user: { name: 'jane', groups: ['one', 'two'] } },
  { subject: 'O=cn=devs\\,ou=x, CN=doe\\, jane', user: { name: 'doe, jane', groups: ['cn=devs,ou=x'] } },
  { subject: 'CN=first, CN=last', user: { name: 'last', groups: [] } },
  { subject: 'CN=jane+O=qa', user: { name: 'jane', groups: ['qa'] } },
  { subject: 'CN=jane, 1.3.6.1.4.1.57683.2=7', user: { name: 'jane', groups: [], uid: '7' } },
  { subject: 'CN=jane, 1.3.6.1.4.1.57683.2=7, 1.3.6.1.4.1.57683.2=8', user: undefined },
  { subject: 'O=nobody', user: undefined },
]

const ca = await TestAuthority.create('ca')
for (const { subject, user } of subjects)
  test(`the subject ${subject}`, async () => {
    const { cert } = await ca.issue(subject)
    const peer = new X509Certificate(cert)
    const socket = { getPeerCertificate: () => ({ ...peer.toLegacyObject(), raw: peer.raw }) } as unknown as TLSSocket
    const certificate = clientCertificate(socket)
    assert.ok(certificate)
    const { extra: _id, ...found } = userOfCertificate(certificate) ?? {}
    assert.deepEqual(found, user ?? {})
  })

import assert from 'node:assert/strict'
import { X509Certificate, webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { createCertificateSigner } from './certificateSigner.ts'
import { ensurePki, loadX509 } from './pki.ts'

const dir = mkdtempSync(join(tmpdir(), 'minicube-signer-'))
after(() => rmSync(dir, { recursive: true }))

async function request(): Promise<string> {
  const x509 = await loadX509()
  const keys = await webcrypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify'])
  const made = await x509.Pkcs10CertificateRequestGenerator.create({
    name: [{ O: ['dev'] }, { CN: ['jane'] }],
    keys,
    signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'jane.example' }])],
  })
  return made.toString('pem')
}

test('a request becomes a certificate of the authority, with its subject, names and usages', async () => {
  const { ca } = await ensurePki({ dir, nodeName: 'n', apiServerNames: ['localhost'], nodeNames: ['n'], nowMs: Date.now() })
  const signer = createCertificateSigner(ca, Date.now)
  const requestPem = await request()
  assert.deepEqual(await signer.inspect(requestPem), {
    commonName: 'jane',
    organizations: ['dev'],
    dnsNames: ['jane.example'],
    ipAddresses: [],
    emailAddresses: [],
    uris: [],
  })
  const certificate = new X509Certificate(
    await signer.sign({ requestPem, usages: ['digital signature', 'client auth'], expirationSeconds: 3600 }),
  )
  assert.ok(certificate.verify(new X509Certificate(ca.cert).publicKey))
  assert.match(certificate.subject, /O=dev\nCN=jane/)
  assert.equal(certificate.subjectAltName, 'DNS:jane.example')
  assert.deepEqual(certificate.keyUsage, ['1.3.6.1.5.5.7.3.2'])
  const leftMs = certificate.validToDate.getTime() - Date.now()
  assert.ok(leftMs > 3_500_000 && leftMs < 3_601_000, `${leftMs} ms left`)
})

test('text that is no request is refused', async () => {
  const { ca } = await ensurePki({ dir, nodeName: 'n', apiServerNames: ['localhost'], nodeNames: ['n'], nowMs: Date.now() })
  await assert.rejects(createCertificateSigner(ca, Date.now).inspect('nonsense'))
})

import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { ensurePki } from './pki.ts'

const dir = mkdtempSync(join(tmpdir(), 'minicube-pki-'))
after(() => rmSync(dir, { recursive: true }))

const nowMs = Date.now()
const make = (apiServerNames: string[], at = nowMs): ReturnType<typeof ensurePki> =>
  ensurePki({ dir, nodeName: 'minicube', apiServerNames, nodeNames: ['minicube', '172.20.0.2'], nowMs: at })

test('certificates are made once, signed by the authority, private keys for the owner alone', async () => {
  const first = await make(['localhost', '127.0.0.1'])
  const ca = new X509Certificate(first.ca.cert)
  for (const pair of [first.apiServer, first.admin, first.kubelet, first.kubeletClient])
    assert.ok(new X509Certificate(pair.cert).verify(ca.publicKey))
  assert.equal(new X509Certificate(first.apiServer.cert).checkIP('127.0.0.1'), '127.0.0.1')
  assert.match(new X509Certificate(first.admin.cert).subject, /O=system:masters/)
  assert.equal(statSync(join(dir, 'ca.key')).mode & 0o777, 0o600)
  assert.deepEqual(await make(['localhost', '127.0.0.1']), first)
})

test('a new name reissues the API server’s certificate and nothing else', async () => {
  const before = await make(['localhost', '127.0.0.1'])
  const after = await make(['localhost', '127.0.0.1', '172.20.0.9'])
  assert.equal(new X509Certificate(after.apiServer.cert).checkIP('172.20.0.9'), '172.20.0.9')
  assert.deepEqual({ ...after, apiServer: undefined }, { ...before, apiServer: undefined })
})

test('certificates near their end are issued again by the same authority', async () => {
  const before = await make(['localhost'])
  const after = await make(['localhost'], nowMs + 3640 * 86_400_000)
  assert.notEqual(after.admin.cert, before.admin.cert)
  assert.equal(after.ca.cert, before.ca.cert)
})

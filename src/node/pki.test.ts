import assert from 'node:assert/strict'
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { cpSync, mkdtempSync, readFileSync, rmSync, statSync, truncateSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, test } from 'node:test'
import { ensurePki } from './pki.ts'
import { PkiError } from './pkiFiles.ts'

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

describe('after a power loss', () => {
  const damages: { file: string; how: 'empty' | 'cut' | 'gone'; outcome: 'the same' | 'made again' | RegExp }[] = [
    { file: 'ca.key', how: 'empty', outcome: /ca\.key is damaged/ },
    { file: 'ca.crt', how: 'cut', outcome: /ca\.crt is damaged/ },
    { file: 'ca.key', how: 'gone', outcome: /ca\.key is missing/ },
    { file: 'ca.crt', how: 'gone', outcome: 'made again' },
    { file: 'sa.key', how: 'empty', outcome: /sa\.key is damaged/ },
    { file: 'sa.key', how: 'gone', outcome: /sa\.key is missing.* remove sa\.pub/ },
    { file: 'sa.pub', how: 'cut', outcome: 'the same' },
    { file: 'sa.pub', how: 'gone', outcome: 'the same' },
    { file: 'apiserver.key', how: 'cut', outcome: 'made again' },
    { file: 'apiserver.crt', how: 'empty', outcome: 'made again' },
    { file: 'admin.issued', how: 'empty', outcome: 'made again' },
  ]

  for (const { file, how, outcome } of damages)
    test(`${file} is ${how}`, async () => {
      const whole = await make(['localhost'])
      const copy = mkdtempSync(join(tmpdir(), 'minicube-pki-damaged-'))
      try {
        cpSync(dir, copy, { recursive: true })
        const path = join(copy, file)
        if (how === 'gone') rmSync(path)
        else truncateSync(path, how === 'empty' ? 0 : Math.floor(statSync(path).size / 2))
        const again = ensurePki({
          dir: copy,
          nodeName: 'minicube',
          apiServerNames: ['localhost'],
          nodeNames: ['minicube', '172.20.0.2'],
          nowMs,
        })
        if (outcome instanceof RegExp) {
          await assert.rejects(again, (error) => error instanceof PkiError && outcome.test(error.message))
          for (const kept of ['ca.key', 'ca.crt', 'sa.key', 'sa.pub'])
            if (kept !== file) assert.equal(readFileSync(join(copy, kept), 'utf8'), readFileSync(join(dir, kept), 'utf8'))
          return
        }
        const found = await again
        assert.equal(found.ca.key, whole.ca.key, 'what was signed stays good')
        assert.deepEqual(found.serviceAccount, whole.serviceAccount)
        if (outcome === 'the same') assert.deepEqual(found, whole)
        else assert.notDeepEqual(found, whole)
        for (const pair of [found.apiServer, found.admin]) {
          const cert = new X509Certificate(pair.cert)
          assert.ok(cert.verify(new X509Certificate(found.ca.cert).publicKey) && cert.checkPrivateKey(createPrivateKey(pair.key)))
        }
      } finally {
        rmSync(copy, { recursive: true })
      }
    })
})

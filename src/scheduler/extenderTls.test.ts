import 'reflect-metadata'
import { SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509'
import assert from 'node:assert/strict'
import { webcrypto } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { FakeClock } from '../base/clock.ts'
import { silentLogger } from '../base/logger.ts'
import { SchedulerCache } from './cache.ts'
import { readSchedulerConfiguration } from './configuration/configuration.ts'
import { createExtenders, type HttpExtenders } from './extender.ts'
import { newPodInfo } from './podInfo.ts'

const META = { resourceVersion: '1', creationTimestamp: '2026-01-01T00:00:00Z' }
const POD = newPodInfo({ metadata: { ...META, uid: 'p', name: 'p', namespace: 'ns' }, spec: { containers: [{ name: 'c', image: 'x' }] } })
const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }

async function selfSigned(name: string): Promise<{ cert: string; key: string }> {
  const keys = await webcrypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const extensions = [new SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])]
  const certificate = await X509CertificateGenerator.createSelfSigned({ name: `CN=${name}`, keys, signingAlgorithm: ALGORITHM, extensions })
  const key = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', keys.privateKey)).toString('base64')
  return { cert: certificate.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${key}\n-----END PRIVATE KEY-----\n` }
}

const folder = mkdtempSync(join(tmpdir(), 'extender-'))
after(() => rmSync(folder, { recursive: true }))
const file = (name: string, text?: string): string => {
  if (text !== undefined) writeFileSync(join(folder, name), text)
  return join(folder, name)
}
const data = (text: string): string => Buffer.from(text).toString('base64')

const [serverPair, clientPair, otherPair] = await Promise.all(['extender', 'scheduler', 'successor'].map(selfSigned))
assert.ok(serverPair && clientPair && otherPair)
file('ca.crt', serverPair.cert)
file('client.crt', clientPair.cert)
file('client.key', clientPair.key)

const view = new SchedulerCache(new FakeClock())
view.setNode({ metadata: { ...META, uid: 'a', name: 'a' }, spec: {} })

let port = 1
function extendersWith(fields: Record<string, unknown>): HttpExtenders {
  const extender = { urlPrefix: `https://127.0.0.1:${port}`, filterVerb: 'filter', nodeCacheCapable: true, ...fields }
  const text = JSON.stringify({ apiVersion: 'kubescheduler.config.k8s.io/v1', kind: 'KubeSchedulerConfiguration', extenders: [extender] })
  const configurations = readSchedulerConfiguration(text).extenders
  const made = createExtenders({ configurations, view, log: silentLogger, signal: new AbortController().signal })
  assert.ok(made)
  return made
}

test('an extender is trusted by authorities of files or of the configuration, and told who asks', async (t) => {
  const seen: string[] = []
  const server = createServer({ ...serverPair, requestCert: true, rejectUnauthorized: false }, (request, response) => {
    seen.push((request.socket as TLSSocket).getPeerCertificate().subject?.CN?.toString() ?? '')
    request.resume().on('end', () => response.end('{"NodeNames": ["a"]}'))
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => (server.close(), server.closeAllConnections()))
  port = (server.address() as AddressInfo).port
  const ask = (fields: Record<string, unknown>): Promise<unknown> => extendersWith(fields).filter(POD, view.nodes)
  const pairOfFiles = { certFile: file('client.crt'), keyFile: file('client.key') }

  await ask({ enableHTTPS: true })
  await ask({ tlsConfig: { insecure: true, certFile: file('client.crt') } })
  await ask({ tlsConfig: { caFile: file('ca.crt'), ...pairOfFiles } })
  await ask({
    enableHTTPS: true,
    tlsConfig: { caData: data(serverPair.cert), certData: data(clientPair.cert), keyFile: file('client.key') },
  })
  // What is written in the configuration goes before files.
  await ask({ tlsConfig: { caData: data(serverPair.cert), caFile: file('nowhere') } })
  assert.deepEqual(seen, ['', '', 'scheduler', 'scheduler', ''])

  await assert.rejects(ask({}), /^Error: Post "https:.*self-signed certificate/)
  await assert.rejects(ask({ tlsConfig: { caData: data(otherPair.cert) } }), /self-signed certificate/)

  seen.length = 0
  const lasting = extendersWith({ enableHTTPS: true, tlsConfig: pairOfFiles })
  await lasting.filter(POD, view.nodes)
  file('client.crt', otherPair.cert)
  file('client.key', otherPair.key)
  await lasting.filter(POD, view.nodes)
  assert.deepEqual(seen, ['scheduler', 'successor'])
})

test('what does not fit together is refused before anybody is asked', () => {
  const cases: readonly [Record<string, unknown>, string][] = [
    [{ caFile: '/nowhere/ca.crt' }, 'open /nowhere/ca.crt: no such file or directory'],
    [{ certFile: '/nowhere/c', keyFile: '/nowhere/k' }, 'open /nowhere/c: no such file or directory'],
    [{ insecure: true, caData: data(serverPair.cert) }, 'specifying a root certificates file with the insecure flag is not allowed'],
    [{ caData: data('x') }, 'unable to load root certificates: unable to parse bytes as PEM block'],
    [{ certData: data(clientPair.cert), keyData: data(serverPair.key) }, 'tls: private key does not match public key'],
    [{ certData: data('x'), keyData: data(serverPair.key) }, 'tls: failed to find any PEM data in certificate input'],
  ]
  for (const [tlsConfig, message] of cases) assert.throws(() => extendersWith({ tlsConfig }), { message })
})

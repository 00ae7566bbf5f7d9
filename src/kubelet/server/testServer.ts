/** For tests: a kubelet server with real certificates, whose containers are processes of this machine. */
import 'reflect-metadata'
import { spawn } from 'node:child_process'
import type { webcrypto } from 'node:crypto'
import { connect } from 'node:net'
import type { Duplex } from 'node:stream'
import { BasicConstraintsExtension, type X509Certificate, X509CertificateGenerator } from '@peculiar/x509'
import type { Pod } from '../../api/kinds/core/v1.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { groupStats } from '../testing/groupStats.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import type { Attached, ExecOptions, LogLine } from '../runtime/runtime.ts'
import { type KubeletServer, type KubeletServerOptions, startKubeletServer } from './server.ts'

const ALGORITHM = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' }
const DAY_MS = 86_400_000

interface Identity {
  cert: X509Certificate
  keys: webcrypto.CryptoKeyPair
}

export interface Pem {
  key: string
  cert: string
}

export interface TestAuthority {
  caPem: string
  issue(subject: string): Promise<Pem>
}

export async function createTestAuthority(): Promise<TestAuthority> {
  const notBefore = new Date(Date.now() - DAY_MS)
  const notAfter = new Date(Date.now() + DAY_MS)
  const newKeys = (): Promise<webcrypto.CryptoKeyPair> => crypto.subtle.generateKey(ALGORITHM, true, ['sign', 'verify'])
  const keys = await newKeys()
  const cert = await X509CertificateGenerator.createSelfSigned({
    name: 'CN=test-ca',
    keys,
    notBefore,
    notAfter,
    signingAlgorithm: ALGORITHM,
    extensions: [new BasicConstraintsExtension(true, undefined, true)],
  })
  const authority: Identity = { cert, keys }
  return {
    caPem: cert.toString('pem'),
    async issue(subject) {
      const own = await newKeys()
      const issued = await X509CertificateGenerator.create({
        subject,
        issuer: authority.cert.subject,
        signingKey: authority.keys.privateKey,
        publicKey: own.publicKey,
        notBefore,
        notAfter,
        signingAlgorithm: ALGORITHM,
      })
      const pkcs8 = Buffer.from(await crypto.subtle.exportKey('pkcs8', own.privateKey)).toString('base64')
      return { cert: issued.toString('pem'), key: `-----BEGIN PRIVATE KEY-----\n${pkcs8}\n-----END PRIVATE KEY-----\n` }
    },
  }
}

export const TEST_POD: Pod = {
  metadata: { name: 'p', namespace: 'default', uid: 'uid-p', creationTimestamp: '2026-01-01T00:00:00Z', resourceVersion: '1' },
  spec: {
    nodeName: 'n',
    containers: [
      { name: 'main', image: 'x', stdin: true },
      { name: 'waiting', image: 'x' },
    ],
  },
  status: {
    phase: 'Running',
    startTime: '2026-01-01T00:00:00Z',
    containerStatuses: [
      { name: 'main', image: 'x', imageID: 'x', ready: true, restartCount: 0, state: { running: { startedAt: '2026-01-01T00:00:01Z' } } },
      { name: 'waiting', image: 'x', imageID: '', ready: false, restartCount: 0, state: { waiting: { reason: 'ContainerCreating' } } },
    ],
  },
}

async function dialLocally(_sandboxId: string, port: number): Promise<Duplex> {
  const { promise, resolve, reject } = Promise.withResolvers<Duplex>()
  const socket = connect({ host: '127.0.0.1', port, allowHalfOpen: true }, () => resolve(socket)).on('error', reject)
  return promise
}

export function execLocally(
  { command: [file = '', ...args], stdin }: Pick<ExecOptions, 'command' | 'stdin'>,
  sizes: unknown[] = [],
): Promise<Attached> {
  const child = spawn(file, args)
  if (!stdin) child.stdin.end()
  const exit = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? 255)))
  child.stdin.on('error', () => {})
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('spawn', () =>
      resolve({
        ...(stdin && { stdin: child.stdin }),
        stdout: child.stdout,
        stderr: child.stderr,
        exit,
        resize: async (size) => void sizes.push(size),
      }),
    )
  })
}

export interface TestKubelet {
  server: KubeletServer
  authority: TestAuthority
  client: Pem
  sizes: unknown[]
}

export async function startTestKubelet(
  overrides: Partial<KubeletServerOptions> & { logLines?: readonly LogLine[] } = {},
): Promise<TestKubelet> {
  const authority = await createTestAuthority()
  const { key, cert } = await authority.issue('CN=system:node:n,O=system:nodes')
  const sizes: unknown[] = []
  const server = await startKubeletServer({
    address: '127.0.0.1',
    port: 0,
    tls: { key, cert, clientCa: authority.caPem },
    nodeName: 'n',
    rootDir: '/nonexistent',
    authenticate: async (token) => (token === 'good' ? { name: 'metrics', groups: ['system:masters'], extra: {} } : undefined),
    configuration: () => ({ kind: 'KubeletConfiguration', maxPods: 110 }),
    authorize: ({ groups }) => groups.includes('system:masters'),
    pods: {
      get: (namespace, name) => (namespace === 'default' && name === 'p' ? TEST_POD : undefined),
      all: () => [TEST_POD],
      running: () => [TEST_POD],
      probeCounts: () => [{ pod: TEST_POD, container: 'main', kind: 'readinessProbe', result: 'failure', count: 3 }],
      containerId: (_uid, name, options) => (name === 'main' && !options?.previous ? 'id-main' : undefined),
      sandboxId: () => 'id-sandbox',
    },
    runtime: {
      exec: (_id, options) => execLocally(options, sizes),
      attach: (_id, { stdin }) => execLocally({ command: ['cat'], stdin }, sizes),
      dial: dialLocally,
      async *logs(_id, { tail }) {
        yield* (overrides.logLines ?? []).slice(tail === undefined ? 0 : -tail)
      },
      images: async () => [],
      stats: async () =>
        groupStats({ cpuUsageNs: 1_500_000_000, memoryUsageBytes: 2048, memoryWorkingSetBytes: 1024, memoryRssBytes: 512, processes: 1 }),
      diskUsage: async () => ({ writableBytes: 100, logBytes: 20 }),
    },
    nodeUsage: async () => ({
      cpuUsageNs: 9e9,
      memoryUsageBytes: 4096,
      memoryWorkingSetBytes: 3000,
      memoryRssBytes: 2000,
      pageFaults: 7,
      majorPageFaults: 1,
      network: undefined,
      pods: groupStats({ cpuUsageNs: 2e9, memoryWorkingSetBytes: 1500 }),
      memoryCapacityBytes: 10_000,
      startedAtMs: Date.UTC(2026, 0, 1),
    }),
    volumes: async () => [
      { name: 'scratch', onNodeDisk: true, space: { usedBytes: 30 } },
      { name: 'data', claimName: 'claim', onNodeDisk: false, space: { capacityBytes: 1000, usedBytes: 400, inodes: 10 } },
    ],
    measures: new KubeletMeasures(systemClock),
    log: silentLogger,
    clock: systemClock,
    ...overrides,
  })
  return { server, authority, client: await authority.issue('CN=kube-apiserver,O=system:masters'), sizes }
}

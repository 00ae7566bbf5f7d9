/** Control planes on a real etcd: two of them at once, an etcd that is full, and one that speaks TLS alone. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, describe, it } from 'node:test'

import { systemClock } from '../../src/base/clock.ts'
import { ensurePki } from '../../src/node/pki.ts'
import { openEtcdStore } from '../../src/storage/etcd/etcdStore.ts'
import { createEtcd, findEtcd, type EtcdServer } from '../../src/storage/etcd/testing/server.ts'
import { Connection } from '../bench/apiLoad.ts'
import { ControlPlaneProcess } from './controlPlaneProcess.ts'

const folder = mkdtempSync(join(tmpdir(), 'minicube-on-etcd-'))
after(() => rmSync(folder, { recursive: true, force: true }))

const found = await findEtcd(AbortSignal.timeout(300_000))
/** A lease runs for 15 seconds after its holder was last heard of. */
const TAKEOVER_TIMEOUT_MS = 60_000
/** The server asks etcd for two seconds, once for each of two questions. */
const HEALTH_TIMEOUT_MS = 8_000
const json = (object: object): Buffer => Buffer.from(JSON.stringify(object))

interface Service {
  metadata: { name: string }
  spec: { clusterIP: string; ports: { nodePort: number }[] }
}

describe('on etcd', { skip: 'missing' in found ? found.missing : false, timeout: 120_000 }, () => {
  async function withServers(
    count: number,
    flags: readonly string[],
    use: (servers: readonly Connection[], etcd: EtcdServer, processes: readonly ControlPlaneProcess[]) => Promise<void>,
    controllers = '',
  ) {
    if ('missing' in found) return
    const etcd = await createEtcd(found.program, flags)
    await etcd.start()
    const data = mkdtempSync(join(folder, 'keys-'))
    const args = [
      '--data',
      data,
      `--controllers=${controllers}`,
      '--datastore-endpoint',
      etcd.endpoint,
      '--service-cluster-ip-range',
      '10.96.0.0/25',
    ]
    const servers = Array.from(
      { length: count },
      (_, i) => new ControlPlaneProcess(join(data, `${i}.kubeconfig`), [...args, '--advertise-address', `192.0.2.${i + 1}`]),
    )
    const connections: Connection[] = []
    try {
      for (const server of servers) {
        await server.start()
        connections.push(new Connection(server.target))
      }
      await use(connections, etcd, servers)
    } finally {
      for (const connection of connections) connection.close()
      for (const server of servers) await server.kill()
      await etcd.remove()
    }
  }

  it('two servers never give an address or a port to two Services', () =>
    withServers(2, [], async (servers) => {
      const path = '/api/v1/namespaces/default/services'
      const service = (i: number): Buffer =>
        json({ apiVersion: 'v1', kind: 'Service', metadata: { name: `s${i}` }, spec: { type: 'NodePort', ports: [{ port: 80 }] } })
      // More than half of the range, by two who pick at random: without claims some would be the same.
      const answers = await Promise.all(
        Array.from({ length: 80 }, (_, i) => (servers[i % 2] as Connection).request('POST', path, service(i))),
      )
      const services = answers.map((answer) => JSON.parse(answer.toString()) as Service)
      assert.equal(new Set(services.map(({ spec }) => spec.clusterIP)).size, 80)
      assert.equal(new Set(services.map(({ spec }) => spec.ports[0]?.nodePort)).size, 80)
      // What one server has answered the other one knows, and what was given back can be had again.
      const [first, second] = servers as [Connection, Connection]
      const { metadata, spec } = services[0] as Service
      await second.request('DELETE', `${path}/${metadata.name}`)
      const again = { metadata: { name: 'again' }, spec: { clusterIP: spec.clusterIP, ports: [{ port: 80 }] } }
      await first.request('POST', path, json({ apiVersion: 'v1', kind: 'Service', ...again }))
      await assert.rejects(second.request('POST', path, json({ ...again, metadata: { name: 'twice' } })), /422 .*already allocated/s)
    }))

  it('the kubernetes Service leads to all servers that are there', () =>
    withServers(2, [], async ([first], _etcd, processes) => {
      const addresses = async (): Promise<string[]> => {
        const path = '/apis/discovery.k8s.io/v1/namespaces/default/endpointslices/kubernetes'
        const slice = JSON.parse((await first?.request('GET', path))?.toString() ?? '') as { endpoints: { addresses: string[] }[] }
        return slice.endpoints.flatMap((endpoint) => endpoint.addresses)
      }
      assert.deepEqual(await addresses(), ['192.0.2.1', '192.0.2.2'])
      await processes[1]?.kill('SIGTERM')
      assert.deepEqual(await addresses(), ['192.0.2.1'], 'one that leaves says so')
    }))

  it('controllers run in one server at a time, and in the other one once the first is dead', () =>
    withServers(
      2,
      [],
      async (servers, _etcd, processes) => {
        const [first, second] = servers as [Connection, Connection]
        const read = async <T>(server: Connection, path: string): Promise<T> =>
          JSON.parse((await server.request('GET', path)).toString()) as T
        const holder = async (): Promise<string> => {
          const path = '/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/kube-controller-manager'
          return (await read<{ spec: { holderIdentity: string } }>(second, path)).spec.holderIdentity
        }
        const until = async (what: string, isSo: () => Promise<boolean>): Promise<void> => {
          const endMs = Date.now() + TAKEOVER_TIMEOUT_MS
          while (!(await isSo())) {
            assert.ok(Date.now() < endMs, what)
            await systemClock.sleep(200)
          }
        }
        const deploy = async (server: Connection, name: string): Promise<void> => {
          const labels = { app: name }
          const template = { metadata: { labels }, spec: { containers: [{ name: 'c', image: 'i' }] } }
          const deployment = {
            apiVersion: 'apps/v1',
            kind: 'Deployment',
            metadata: { name },
            spec: { selector: { matchLabels: labels }, template },
          }
          await server.request('POST', '/apis/apps/v1/namespaces/default/deployments', json(deployment))
          const sets = `/apis/apps/v1/namespaces/default/replicasets?labelSelector=app%3D${name}`
          await until(`${name} to have its ReplicaSet`, async () => (await read<{ items: unknown[] }>(second, sets)).items.length === 1)
        }
        const leader = await holder()
        await deploy(first, 'before')
        await processes[0]?.kill()
        await until('another leader', async () => (await holder()) !== leader)
        await deploy(second, 'after')
      },
      'deployment-controller',
    ))

  it('a full etcd refuses writes with its own words, and reads go on', () =>
    withServers(1, ['--quota-backend-bytes', String(4 * 1024 * 1024)], async ([server]) => {
      assert.ok(server)
      const path = '/api/v1/namespaces/default/configmaps'
      await assert.rejects(async () => {
        for (let i = 0; i < 200; i++)
          await server.request('POST', path, json({ metadata: { name: `c${i}` }, data: { text: 'x'.repeat(100_000) } }))
      }, /: 5\d\d .*etcdserver: mvcc: database space exceeded/s)
      const { items } = JSON.parse((await server.request('GET', path)).toString()) as { items: unknown[] }
      assert.ok(items.length > 10)
    }))

  it('health tells of an etcd that is silent without waiting for it, and everything goes on when it is back', () =>
    withServers(1, [], async ([server], etcd) => {
      assert.ok(server)
      const path = '/api/v1/namespaces/default/configmaps'
      const { metadata } = JSON.parse((await server.request('GET', path)).toString()) as { metadata: { resourceVersion: string } }
      const signal = AbortSignal.timeout(TAKEOVER_TIMEOUT_MS)
      const lines = server.lines(`${path}?watch=1&resourceVersion=${metadata.resourceVersion}`, signal)[Symbol.asyncIterator]()
      const event = lines.next()
      await etcd.stop('SIGKILL')
      const startedMs = performance.now()
      const lost = server.request('POST', path, json({ metadata: { name: 'lost' } }))
      const isRefused = assert.rejects(lost, /: 503 .*ServiceUnavailable/s)
      for (const [check, name] of Object.entries({ livez: 'etcd', readyz: 'etcd-readiness' }))
        await assert.rejects(server.request('GET', `/${check}`), new RegExp(`500 .*\\[-\\]${name} failed: reason withheld`, 's'))
      assert.ok(performance.now() - startedMs < HEALTH_TIMEOUT_MS, 'health was told late')
      await isRefused
      await etcd.start()
      const created = await server.request('POST', path, json({ metadata: { name: 'found' } }))
      assert.ok(created)
      await server.request('GET', '/readyz')
      assert.match(String((await event).value), /"type":"ADDED".*"name":"found"/)
      await lines.return?.(undefined)
    }))

  it('objects lie where etcdctl looks for them', { skip: existsSync('/usr/bin/etcdctl') ? false : 'etcdctl is not installed' }, () =>
    withServers(1, [], async ([server], etcd) => {
      await server?.request('POST', '/api/v1/namespaces/default/configmaps', json({ metadata: { name: 'found' }, data: { a: 'b' } }))
      const env = { ...process.env, ETCDCTL_API: '3' }
      const key = '/registry/configmaps/default/found'
      const value = execFileSync('etcdctl', ['--endpoints', etcd.endpoint, 'get', '--print-value-only', key], { env }).toString()
      assert.deepEqual((JSON.parse(value) as { data: object }).data, { a: 'b' })
    }),
  )

  it('TLS: authority, certificate and key', async () => {
    if ('missing' in found) return
    const dir = join(folder, 'pki')
    const names = ['127.0.0.1']
    const pki = await ensurePki({ dir, nodeName: 'etcd', apiServerNames: names, nodeNames: names, nowMs: Date.now() })
    const tls = ['--cert-file', join(dir, 'apiserver.crt'), '--key-file', join(dir, 'apiserver.key'), '--client-cert-auth']
    const etcd = await createEtcd(found.program, [...tls, '--trusted-ca-file', join(dir, 'ca.crt')], 'https')
    await etcd.start()
    try {
      const store = await openEtcdStore({
        endpoints: [etcd.endpoint],
        tls: { ca: readFileSync(join(dir, 'ca.crt')), cert: Buffer.from(pki.admin.cert), key: Buffer.from(pki.admin.key) },
        clock: systemClock,
      })
      const { key } = await store.create('/registry/a', Buffer.from('{}'))
      assert.equal((await store.get(key))?.key, '/registry/a')
      await store.close()
    } finally {
      await etcd.remove()
    }
  })
})

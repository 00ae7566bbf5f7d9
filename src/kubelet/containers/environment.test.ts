import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ConfigMap, Container, Pod, Secret, Service } from '../../api/kinds/core/v1.ts'
import { containerEnvironment } from './environment.ts'
import { expand } from './expansion.ts'
import { serviceEnvironment } from './serviceEnv.ts'

const facts = { nodeIps: ['192.168.0.2', 'fd00::2'], podIps: ['10.0.0.9', 'fd00:10::9'], allocatable: { cpu: '2', memory: '4Gi' } }
const pod = {
  metadata: { name: 'p', namespace: 'ns', uid: 'u', labels: { app: 'x' }, annotations: { note: 'hi' } },
  spec: { nodeName: 'n', serviceAccountName: 'robot', enableServiceLinks: false, containers: [] },
} as unknown as Pod

const maps: Record<string, Record<string, string>> = { settings: { A: '1', 'data-1': 'dash' } }
const secrets: Record<string, Record<string, string>> = { hidden: { token: Buffer.from('s3').toString('base64') } }
const sources = {
  configMap: async (name: string) => (maps[name] ? ({ metadata: { name }, data: maps[name] } as unknown as ConfigMap) : undefined),
  secret: async (name: string) => (secrets[name] ? ({ metadata: { name }, data: secrets[name] } as unknown as Secret) : undefined),
  services: [],
}

const environment = async (container: Partial<Container>): Promise<Record<string, string>> =>
  Object.fromEntries(await containerEnvironment({ pod, container: { name: 'c', ...container }, facts, sources }))

test('$(NAME) is expanded, $$(NAME) is not, unknown names stay', () => {
  const known = (name: string): string | undefined => ({ A: '1' })[name]
  assert.equal(expand('x$(A)y $$(A) $(B) $A $', known), 'x1y $(A) $(B) $A $')
})

test('values come from everywhere, later ones win, earlier ones can be used', async () => {
  const env = await environment({
    resources: { limits: { cpu: '1500m', memory: '64Mi' } },
    envFrom: [
      { prefix: 'P_', configMapRef: { name: 'settings' } },
      { secretRef: { name: 'hidden' } },
      { configMapRef: { name: 'none', optional: true } },
    ],
    env: [
      { name: 'A', value: 'a' },
      { name: 'B', value: '$(A)-$(P_A)-$(Z)' },
      { name: 'P_A', value: 'own' },
      { name: 'NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
      { name: 'LABEL', valueFrom: { fieldRef: { fieldPath: "metadata.labels['app']" } } },
      { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
      { name: 'HOST', valueFrom: { fieldRef: { fieldPath: 'status.hostIP' } } },
      { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      { name: 'MEM', valueFrom: { resourceFieldRef: { resource: 'limits.memory', divisor: '1Mi' } } },
      { name: 'REQ', valueFrom: { resourceFieldRef: { resource: 'requests.cpu', divisor: '1m' } } },
      { name: 'KEY', valueFrom: { secretKeyRef: { name: 'hidden', key: 'token' } } },
      { name: 'GONE', valueFrom: { configMapKeyRef: { name: 'settings', key: 'nope', optional: true } } },
    ],
  })
  assert.deepEqual(env, {
    P_A: 'own',
    'P_data-1': 'dash',
    token: 's3',
    A: 'a',
    B: 'a-1-$(Z)',
    NAME: 'p',
    LABEL: 'x',
    IP: '10.0.0.9',
    HOST: '192.168.0.2',
    CPU: '2',
    MEM: '64',
    REQ: '1500',
    KEY: 's3',
  })
})

test('a container without limits sees what the node can give', async () => {
  const env = await environment({ env: [{ name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } }] })
  assert.equal(env.CPU, '2')
})

const missing: [string, Partial<Container>, string][] = [
  ['a ConfigMap', { envFrom: [{ configMapRef: { name: 'none' } }] }, 'configmap "none" not found'],
  ['a Secret', { envFrom: [{ secretRef: { name: 'none' } }] }, 'secret "none" not found'],
  [
    'a key',
    { env: [{ name: 'X', valueFrom: { configMapKeyRef: { name: 'settings', key: 'q' } } }] },
    "couldn't find key q in ConfigMap ns/settings",
  ],
  [
    'a secret key',
    { env: [{ name: 'X', valueFrom: { secretKeyRef: { name: 'hidden', key: 'q' } } }] },
    "couldn't find key q in Secret ns/hidden",
  ],
]
for (const [what, container, message] of missing) {
  test(`${what} that is missing is a configuration error`, async () => {
    await assert.rejects(environment(container), { name: 'ContainerConfigError', message })
  })
}

test('services are told as Docker links, the API server’s in any case', () => {
  const service = (name: string, namespace: string, clusterIP: string, ports: object[]): Service =>
    ({ metadata: { name, namespace }, spec: { clusterIP, ports } }) as unknown as Service
  const services = [
    service('kubernetes', 'default', '10.96.0.1', [{ name: 'https', port: 443, protocol: 'TCP' }]),
    service('my-db', 'ns', '10.96.0.7', [{ port: 5432, protocol: 'TCP' }]),
    service('headless', 'ns', 'None', [{ port: 1 }]),
    service('other', 'elsewhere', '10.96.0.8', [{ port: 1 }]),
  ]
  assert.deepEqual(Object.fromEntries(serviceEnvironment(services, 'ns', true)), {
    KUBERNETES_SERVICE_HOST: '10.96.0.1',
    KUBERNETES_SERVICE_PORT: '443',
    KUBERNETES_SERVICE_PORT_HTTPS: '443',
    KUBERNETES_PORT: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP: 'tcp://10.96.0.1:443',
    KUBERNETES_PORT_443_TCP_PROTO: 'tcp',
    KUBERNETES_PORT_443_TCP_PORT: '443',
    KUBERNETES_PORT_443_TCP_ADDR: '10.96.0.1',
    MY_DB_SERVICE_HOST: '10.96.0.7',
    MY_DB_SERVICE_PORT: '5432',
    MY_DB_PORT: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP: 'tcp://10.96.0.7:5432',
    MY_DB_PORT_5432_TCP_PROTO: 'tcp',
    MY_DB_PORT_5432_TCP_PORT: '5432',
    MY_DB_PORT_5432_TCP_ADDR: '10.96.0.7',
  })
  assert.ok(serviceEnvironment(services, 'ns', false).every(([name]) => name.startsWith('KUBERNETES_')))
})

test('addresses of both families of the pod and its node', async () => {
  const of = (fieldPath: string): object => ({ valueFrom: { fieldRef: { fieldPath } } })
  const names = ['status.podIP', 'status.podIPs', 'status.hostIP', 'status.hostIPs']
  const env = await environment({ env: names.map((path, i) => ({ name: `V${i}`, ...of(path) })) })
  assert.deepEqual(Object.values(env), ['10.0.0.9', '10.0.0.9,fd00:10::9', '192.168.0.2', '192.168.0.2,fd00::2'])
})

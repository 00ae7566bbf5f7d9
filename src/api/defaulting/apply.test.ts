import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { loadCatalog } from '../catalog/load.ts'
import type { TypeDef } from '../catalog/schema.ts'
import { decodeValue, normalize } from '../codec/json.ts'
import type { JsonObject, JsonValue } from '../resource.ts'
import { applyDefaults } from './apply.ts'
import { defaultPullPolicy } from './pods.ts'

const catalog = loadCatalog()
const typeOf = (group: string, kind: string, version = 'v1'): TypeDef => catalog.typeOfKind({ group, version, kind }) as TypeDef

function defaulted(def: TypeDef, body: JsonObject): JsonObject {
  const { object } = decodeValue(body, def)
  applyDefaults(def, object, { nowMs: 0 })
  return normalize(object, def)
}

test('pull policy follows the tag', () => {
  for (const [image, policy] of [
    ['a', 'Always'],
    ['a:latest', 'Always'],
    ['a:1', 'IfNotPresent'],
    ['host:5000/a', 'Always'],
    ['host:5000/a:1', 'IfNotPresent'],
    [`a@sha256:${'a'.repeat(64)}`, 'IfNotPresent'],
    [`a:latest@sha256:${'b'.repeat(64)}`, 'Always'],
    ['', 'IfNotPresent'],
    ['Upper', 'IfNotPresent'],
  ] as const)
    assert.equal(defaultPullPolicy(image), policy, image)
})

test('a pod template has the same defaults in every workload', () => {
  const template = {
    spec: {
      containers: [{ name: 'c', image: 'a:1', ports: [{ containerPort: 80 }], livenessProbe: { httpGet: { port: 80 } } }],
      volumes: [{ name: 'v' }],
    },
  }
  const expected = {
    metadata: {},
    spec: {
      volumes: [{ name: 'v', emptyDir: {} }],
      containers: [
        {
          name: 'c',
          image: 'a:1',
          ports: [{ containerPort: 80, protocol: 'TCP' }],
          resources: {},
          livenessProbe: {
            httpGet: { path: '/', port: 80, scheme: 'HTTP' },
            timeoutSeconds: 1,
            periodSeconds: 10,
            successThreshold: 1,
            failureThreshold: 3,
          },
          terminationMessagePath: '/dev/termination-log',
          terminationMessagePolicy: 'File',
          imagePullPolicy: 'IfNotPresent',
        },
      ],
      restartPolicy: 'Always',
      terminationGracePeriodSeconds: 30,
      dnsPolicy: 'ClusterFirst',
      securityContext: {},
      schedulerName: 'default-scheduler',
    },
  }
  for (const kind of ['Deployment', 'DaemonSet', 'StatefulSet', 'ReplicaSet']) {
    const spec = defaulted(typeOf('apps', kind), { spec: { template } })['spec'] as JsonObject
    assert.deepEqual(spec['template'], expected, kind)
  }
})

test('requests follow limits in pods, not in templates', () => {
  const containers = [{ name: 'c', resources: { limits: { cpu: '1', memory: '1Gi' }, requests: { cpu: '100m' } } }]
  const pod = defaulted(typeOf('', 'Pod'), { spec: { containers } })
  assert.deepEqual((pod['spec'] as { containers: { resources: object }[] }).containers[0]?.resources, {
    limits: { cpu: '1', memory: '1Gi' },
    requests: { cpu: '100m', memory: '1Gi' },
  })
  const template = defaulted(typeOf('', 'PodTemplate'), { template: { spec: { containers } } })
  assert.deepEqual(
    (template['template'] as { spec: { containers: { resources: object }[] } }).spec.containers[0]?.resources,
    containers[0]?.resources,
  )
})

test('declared defaults, old names and write-only fields', () => {
  const pod = defaulted(typeOf('', 'Pod'), {
    spec: { serviceAccount: 'x', containers: [], volumes: [{ name: 'v', iscsi: { targetPortal: 'p', iqn: 'q', lun: 0 } }] },
  })
  const spec = pod['spec'] as JsonObject
  assert.equal(spec['serviceAccountName'], 'x')
  assert.deepEqual((spec['volumes'] as JsonObject[])[0]?.['iscsi'], { targetPortal: 'p', iqn: 'q', lun: 0, iscsiInterface: 'default' })
  assert.deepEqual(defaulted(typeOf('', 'Secret'), { data: { a: 'YQ==' }, stringData: { b: 'b' } }), {
    metadata: {},
    data: { a: 'YQ==', b: 'Yg==' },
    type: 'Opaque',
  })
})

test('defaulting twice changes nothing', () => {
  for (const { group, version } of catalog.groups.flatMap((g) => g.versions.map((version) => ({ group: g.name, version })))) {
    for (const resource of catalog.resources(group, version)) {
      const once = defaulted(resource.type, { metadata: { name: 'a' } })
      assert.deepEqual(defaulted(resource.type, once), once, resource.kind)
    }
  }
})

const shared = process.env['MINICUBE_SHARED'] ?? join(import.meta.dirname, '../../../../shared')
const corpusFile = join(shared, 'oracle/corpus/validation-defaults.json')

/** What strategies, allocators and admission add after defaulting. */
const ADDED_LATER =
  /^(status|metadata)|clusterIPs?$|nodePort$|ipFamil|NodePort$|tolerations|priority$|preemptionPolicy|volumeMounts|volumes|serviceAccount|spec\.selector|template\.metadata\.labels|spec\.finalizers/

function differences(got: JsonValue | undefined, want: JsonValue | undefined, path: string): string[] {
  if (got === want || ADDED_LATER.test(path)) return []
  if (typeof got !== 'object' || typeof want !== 'object' || got === null || want === null)
    return [`${path}: ${JSON.stringify(got)} is not ${JSON.stringify(want)}`]
  const [a, b] = [got as JsonObject, want as JsonObject]
  return [...new Set([...Object.keys(a), ...Object.keys(b)])].flatMap((key) => differences(a[key], b[key], path ? `${path}.${key}` : key))
}

interface Step {
  id?: string
  method?: string
  path?: string
  body?: JsonObject
}

test('defaults are those of a real server', { skip: !existsSync(corpusFile) && `no recorded answers in ${shared}` }, () => {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(shared, 'oracle', file, 'validation-defaults.json'), 'utf8'))
  const { cases } = read('corpus') as { cases: { name: string; steps: Step[] }[] }
  const golden = read('golden') as Record<string, { id: string; status: number; body: JsonObject }[]>
  let compared = 0
  for (const { name, steps } of cases) {
    for (const step of steps) {
      const answer = golden[name]?.find((g) => g.id === step.id)
      const path = /^\/(?:api|apis\/([^/]+))\/([^/]+)(?:\/namespaces\/[^/]+)?\/([a-z]+)(?:\?|$)/.exec(step.path ?? '')
      if (!path || step.method !== 'POST' || answer?.status !== 201 || !step.body) continue
      const resource = catalog.resource(path[1] ?? '', path[2] as string, path[3] as string)
      if (!resource) continue
      const got = defaulted(resource.type, step.body)
      const top = Object.fromEntries(Object.entries(answer.body).filter(([key]) => resource.type.fieldByName.has(key)))
      for (const key of Object.keys(top)) assert.deepEqual(differences(got[key], top[key], key), [], `${name} ${step.id}`)
      compared++
    }
  }
  assert.ok(compared > 50, `only ${compared} answers compared`)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podSpecWarnings } from './podWarnings.ts'
import { validateEphemeralContainersUpdate, validatePod, validatePodResize, validatePodTemplateSpec, validatePodUpdate } from './pod.ts'
import type { Container, Pod, PodSpec } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

const container: Container = {
  name: 'c',
  image: 'i',
  imagePullPolicy: 'Always',
  terminationMessagePath: '/dev/termination-log',
  terminationMessagePolicy: 'File',
  resources: {},
}
const spec: PodSpec = {
  containers: [container],
  restartPolicy: 'Always',
  dnsPolicy: 'ClusterFirst',
  terminationGracePeriodSeconds: 30,
  securityContext: {},
  schedulerName: 's',
  enableServiceLinks: true,
}
const podWith = (changes: Partial<PodSpec>): Pod => ({
  metadata: { name: 'p', namespace: 'ns', uid: 'u', resourceVersion: '1', creationTimestamp: '' },
  spec: { ...spec, ...changes },
})
const withContainer = (changes: Partial<Container>): Pod => podWith({ containers: [{ ...container, ...changes }] })
const told = (errors: readonly FieldError[]): string[] => errors.map(({ field, message }) => `${field}: ${message}`)

test('a plain pod is right', () => {
  assert.deepEqual(validatePod(podWith({})), [])
  assert.deepEqual(validatePodTemplateSpec({ spec }, 'template'), [])
})

test('what is wrong with a pod', () => {
  const probe = { tcpSocket: { port: 80 }, timeoutSeconds: 1, periodSeconds: 10, successThreshold: 1, failureThreshold: 3 }
  const table: [Pod, RegExp][] = [
    [podWith({ containers: [] }), /^spec\.containers: Required value$/],
    [podWith({ containers: [container, container] }), /^spec\.containers\[1\]\.name: Duplicate value: "c"$/],
    [podWith({ restartPolicy: 'Never', containers: [{ ...container, restartPolicy: 'No' }] }), /restartPolicy/],
    [podWith({ hostname: 'A' }), /^spec\.hostname: Invalid value: "A": a lowercase RFC 1123 label/],
    [podWith({ volumes: [{ name: 'v' }] }), /^spec\.volumes\[0\]: Required value: must specify a volume type$/],
    [podWith({ volumes: [{ name: 'v', emptyDir: {}, hostPath: { path: '/' } }] }), /Forbidden: may not specify more than 1 volume type$/],
    [
      podWith({ tolerations: [{ key: 'a', operator: 'Exists', value: 'b' }] }),
      /^spec\.tolerations\[0\]\.operator: Invalid value: "b": value must be empty when `operator` is 'Exists'$/,
    ],
    [podWith({ nodeSelector: { 'a b': 'c' } }), /^spec\.nodeSelector: Invalid value: "a b"/],
    [withContainer({ image: '' }), /^spec\.containers\[0\]\.image: Required value$/],
    [withContainer({ name: 'A_' }), /^spec\.containers\[0\]\.name: Invalid value: "A_"/],
    [
      withContainer({ ports: [{ containerPort: 0, protocol: 'TCP' }] }),
      /^spec\.containers\[0\]\.ports\[0\]\.containerPort: Required value$/,
    ],
    [withContainer({ env: [{ name: '', value: 'x' }] }), /^spec\.containers\[0\]\.env\[0\]\.name: Required value$/],
    [
      withContainer({ env: [{ name: 'a', value: 'x', valueFrom: { fieldRef: { apiVersion: 'v1', fieldPath: 'metadata.name' } } }] }),
      /may not be specified when `value` is not empty$/,
    ],
    [
      withContainer({ volumeMounts: [{ name: 'none', mountPath: '/a' }] }),
      /^spec\.containers\[0\]\.volumeMounts\[0\]\.name: Not found: "none"$/,
    ],
    [
      withContainer({ resources: { requests: { cpu: '2' }, limits: { cpu: '1' } } }),
      /requests: Invalid value: "2": must be less than or equal to cpu limit of 1$/,
    ],
    [withContainer({ resources: { limits: { 'example.com/gpu': '500m' } } }), /must be an integer$/],
    [
      withContainer({ livenessProbe: { ...probe, successThreshold: 2 } }),
      /^spec\.containers\[0\]\.livenessProbe\.successThreshold: Invalid value: 2: must be 1$/,
    ],
    [withContainer({ livenessProbe: { ...probe, exec: { command: ['a'] } } }), /Forbidden: may not specify more than 1 handler type$/],
    [
      withContainer({ securityContext: { privileged: true, allowPrivilegeEscalation: false } }),
      /cannot set `allowPrivilegeEscalation` to false and `privileged` to true$/,
    ],
  ]
  for (const [pod, expected] of table) {
    const errors = told(validatePod(pod))
    assert.equal(errors.length, 1, `${expected}: ${errors.join('; ')}`)
    assert.match(errors[0] ?? '', expected)
  }
})

test('a pod that exists may change its images, its deadline and gain tolerations', () => {
  const toleration = { key: 'a', operator: 'Exists', effect: 'NoExecute' }
  const allowed: Partial<PodSpec>[] = [
    { containers: [{ ...container, image: 'j' }] },
    { activeDeadlineSeconds: 5 },
    { tolerations: [toleration] },
    { terminationGracePeriodSeconds: 30 },
  ]
  for (const changes of allowed) assert.deepEqual(told(validatePodUpdate(podWith(changes), podWith({}))), [])
  const forbidden: [Partial<PodSpec>, Partial<PodSpec>, RegExp][] = [
    [{ hostname: 'a' }, {}, /^spec: Forbidden: pod updates may not change fields other than/],
    [
      {},
      { activeDeadlineSeconds: 5 },
      /^spec\.activeDeadlineSeconds: Invalid value: null: must not update from a positive integer to nil value$/,
    ],
    [
      {},
      { tolerations: [toleration] },
      /^spec\.tolerations: Forbidden: existing toleration can not be modified except its tolerationSeconds$/,
    ],
    [
      { containers: [container, { ...container, name: 'd' }] },
      {},
      /^spec\.containers: Forbidden: pod updates may not add or remove containers$/,
    ],
  ]
  for (const [next, old, expected] of forbidden) assert.match(told(validatePodUpdate(podWith(next), podWith(old)))[0] ?? '', expected)
})

test('ephemeral containers come and never change', () => {
  const { resources: _none, ...plain } = container
  const debug = { ...plain, name: 'debug' }
  assert.deepEqual(told(validateEphemeralContainersUpdate(podWith({ ephemeralContainers: [debug] }), podWith({}))), [])
  assert.match(
    told(validateEphemeralContainersUpdate(podWith({}), podWith({ ephemeralContainers: [debug] })))[0] ?? '',
    /existing ephemeral containers "debug" may not be removed/,
  )
  assert.match(
    told(validateEphemeralContainersUpdate(podWith({ ephemeralContainers: [{ ...debug, name: 'c' }] }), podWith({})))[0] ?? '',
    /Duplicate value: "c"/,
  )
})

test('a resize is about resources only, and keeps the quality of service', () => {
  const sized = (cpu: string, image = 'i'): Pod => withContainer({ image, resources: { requests: { cpu } } })
  assert.deepEqual(told(validatePodResize(sized('2'), sized('1'))), [])
  assert.match(told(validatePodResize(sized('2', 'j'), sized('1'))).join(), /Forbidden: only cpu and memory resources are mutable/)
  assert.match(told(validatePodResize(podWith({}), sized('1'))).join(), /QOS Class may not change/)
})

test('warnings', () => {
  const table: [Partial<PodSpec>, RegExp][] = [
    [
      { nodeSelector: { 'beta.kubernetes.io/os': 'linux' } },
      /^spec\.nodeSelector\[beta\.kubernetes\.io\/os\]: deprecated since v1\.14; use "kubernetes\.io\/os" instead$/,
    ],
    [
      {
        containers: [
          {
            ...container,
            env: [
              { name: 'a', value: '1' },
              { name: 'a', value: '2' },
            ],
          },
        ],
      },
      /^spec\.containers\[0\]\.env\[1\]: hides previous definition of "a"/,
    ],
    [{ hostAliases: [{ ip: '1.2.3.4' }, { ip: '1.2.3.4' }] }, /hostAliases/],
  ]
  for (const [changes, expected] of table) {
    assert.match(podSpecWarnings({ ...spec, ...changes }, {}, 'spec', 'metadata')[0] ?? 'none', expected)
  }
  assert.deepEqual(podSpecWarnings(spec, {}, 'spec', 'metadata'), [])
})

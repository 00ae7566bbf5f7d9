/** Objects that the server accepts, for the fuzzer to start from: one for each kind that random values rarely get right. */
const template = {
  metadata: { labels: { app: 'web' } },
  spec: {
    containers: [
      {
        name: 'web',
        image: 'busybox',
        ports: [{ name: 'http', containerPort: 80 }],
        env: [{ name: 'A', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } }],
        resources: { requests: { cpu: '100m', memory: '16Mi' }, limits: { memory: '64Mi' } },
        volumeMounts: [{ name: 'data', mountPath: '/data' }],
        readinessProbe: { httpGet: { path: '/', port: 'http' } },
        securityContext: { runAsNonRoot: true, capabilities: { drop: ['ALL'] } },
      },
    ],
    volumes: [{ name: 'data', emptyDir: { sizeLimit: '1Gi' } }],
    tolerations: [{ key: 'a', operator: 'Exists', effect: 'NoSchedule' }],
    affinity: {
      podAntiAffinity: {
        preferredDuringSchedulingIgnoredDuringExecution: [
          { weight: 1, podAffinityTerm: { topologyKey: 'kubernetes.io/hostname', labelSelector: { matchLabels: { app: 'web' } } } },
        ],
      },
    },
  },
}
const selector = { matchLabels: { app: 'web' } }
const metadata = { name: 'fuzz' }
const job = { backoffLimit: 2, template: { spec: { ...template.spec, restartPolicy: 'Never' } } }

/** By `group/version/kind`. */
export const SEEDS: Readonly<Record<string, unknown>> = {
  '/v1/ConfigMap': { metadata, data: { a: 'b' }, binaryData: { c: 'aGVsbG8=' } },
  '/v1/Pod': { metadata: { ...metadata, labels: { app: 'web' } }, spec: template.spec },
  '/v1/Secret': { metadata, type: 'Opaque', data: { a: 'aGVsbG8=' } },
  '/v1/Service': { metadata, spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] } },
  '/v1/PersistentVolumeClaim': { metadata, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Gi' } } } },
  '/v1/PersistentVolume': {
    metadata,
    spec: { capacity: { storage: '1Gi' }, accessModes: ['ReadWriteOnce'], hostPath: { path: '/tmp/a' } },
  },
  '/v1/ReplicationController': { metadata, spec: { replicas: 1, selector: { app: 'web' }, template } },
  '/v1/ResourceQuota': { metadata, spec: { hard: { pods: '1k', 'requests.cpu': '100' } } },
  '/v1/LimitRange': { metadata, spec: { limits: [{ type: 'Container', default: { cpu: '1' } }] } },
  '/v1/Node': { metadata, spec: { podCIDR: '10.1.0.0/24', podCIDRs: ['10.1.0.0/24'] } },
  'apps/v1/Deployment': { metadata, spec: { replicas: 1, selector, template, strategy: { rollingUpdate: { maxSurge: '25%' } } } },
  'apps/v1/ReplicaSet': { metadata, spec: { replicas: 1, selector, template } },
  'apps/v1/DaemonSet': { metadata, spec: { selector, template } },
  'apps/v1/StatefulSet': { metadata, spec: { serviceName: 'web', replicas: 1, selector, template } },
  'batch/v1/Job': { metadata, spec: job },
  'batch/v1/CronJob': { metadata, spec: { schedule: '*/5 * * * *', jobTemplate: { spec: job } } },
  'autoscaling/v2/HorizontalPodAutoscaler': {
    metadata,
    spec: {
      maxReplicas: 3,
      scaleTargetRef: { apiVersion: 'apps/v1', kind: 'Deployment', name: 'web' },
      metrics: [{ type: 'Resource', resource: { name: 'cpu', target: { type: 'Utilization', averageUtilization: 50 } } }],
    },
  },
  'policy/v1/PodDisruptionBudget': { metadata, spec: { minAvailable: '50%', selector } },
  'networking.k8s.io/v1/Ingress': {
    metadata,
    spec: {
      rules: [
        {
          host: 'a.example.com',
          http: { paths: [{ path: '/', pathType: 'Prefix', backend: { service: { name: 'web', port: { number: 80 } } } }] },
        },
      ],
    },
  },
  'networking.k8s.io/v1/NetworkPolicy': {
    metadata,
    spec: {
      podSelector: selector,
      ingress: [{ from: [{ ipBlock: { cidr: '10.0.0.0/8', except: ['10.1.0.0/16'] } }], ports: [{ port: 80 }] }],
    },
  },
  'rbac.authorization.k8s.io/v1/Role': { metadata, rules: [{ apiGroups: [''], resources: ['pods'], verbs: ['get'] }] },
  'rbac.authorization.k8s.io/v1/RoleBinding': {
    metadata,
    roleRef: { apiGroup: 'rbac.authorization.k8s.io', kind: 'Role', name: 'fuzz' },
    subjects: [{ kind: 'ServiceAccount', name: 'default', namespace: 'default' }],
  },
  'storage.k8s.io/v1/StorageClass': { metadata, provisioner: 'example.com/x' },
  'scheduling.k8s.io/v1/PriorityClass': { metadata, value: 10 },
  'fuzz.example.com/v1/Widget': {
    metadata: { name: 'fuzz' },
    spec: { replicas: 2, mode: 'b', pattern: 'abc', port: 'http', items: [{ name: 'a', value: 1 }], tags: ['x'], anything: { a: [1] } },
  },
  'apiextensions.k8s.io/v1/CustomResourceDefinition': {
    metadata: { name: 'fuzzes.example.com' },
    spec: {
      group: 'example.com',
      names: { plural: 'fuzzes', kind: 'Fuzz' },
      scope: 'Namespaced',
      versions: [
        {
          name: 'v1',
          served: true,
          storage: true,
          schema: {
            openAPIV3Schema: {
              type: 'object',
              properties: {
                spec: {
                  type: 'object',
                  properties: { size: { type: 'integer', minimum: 1, default: 3 }, list: { type: 'array', items: { type: 'string' } } },
                  'x-kubernetes-validations': [{ rule: 'self.size < 10' }],
                },
              },
            },
          },
        },
      ],
    },
  },
  'admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy': {
    metadata,
    spec: {
      matchConstraints: {
        resourceRules: [{ apiGroups: ['apps'], apiVersions: ['v1'], resources: ['deployments'], operations: ['CREATE'] }],
      },
      validations: [{ expression: 'object.spec.replicas <= 5', messageExpression: "'no'" }],
    },
  },
}

/** What runs while things are killed: twenty pods of the usual kinds. */
import { webDeployment, webService } from '../minicube.ts'

const IMAGE = 'minicube/busybox:1.37'
export const PODS = 20

function template(app: string, script: string, spec: object = {}, container: object = {}): object {
  return {
    metadata: { labels: { app } },
    spec: {
      terminationGracePeriodSeconds: 1,
      containers: [{ name: 'main', image: IMAGE, command: ['sh', '-c', script], ...container }],
      ...spec,
    },
  }
}

const selector = (app: string): object => ({ matchLabels: { app } })

/** Keeps what it was told on a claim; tells its pod's name and the first line, which only the first start writes. */
const DATABASE = 'test -f /data/log || echo first > /data/log; echo start >> /data/log; mkdir -p /www; exec httpd -f -p 8080 -h /data'

export const workload: readonly object[] = [
  webDeployment('web', 4),
  webService('web'),
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'pair' },
    spec: {
      replicas: 3,
      selector: selector('pair'),
      template: template('pair', 'exec sleep 100000', {
        initContainers: [
          {
            name: 'beside',
            image: IMAGE,
            restartPolicy: 'Always',
            command: ['sleep', '100000'],
            volumeMounts: [{ name: 'memory', mountPath: '/memory' }],
          },
        ],
        volumes: [{ name: 'memory', emptyDir: { medium: 'Memory', sizeLimit: '1Mi' } }],
      }),
    },
  },
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { selector: { app: 'db' }, ports: [{ port: 80, targetPort: 8080 }] },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'StatefulSet',
    metadata: { name: 'db' },
    spec: {
      serviceName: 'db',
      replicas: 2,
      podManagementPolicy: 'Parallel',
      selector: selector('db'),
      template: template(
        'db',
        DATABASE,
        {},
        {
          volumeMounts: [{ name: 'data', mountPath: '/data' }],
          readinessProbe: { httpGet: { path: '/log', port: 8080 }, periodSeconds: 1 },
        },
      ),
      volumeClaimTemplates: [
        { metadata: { name: 'data' }, spec: { accessModes: ['ReadWriteOnce'], resources: { requests: { storage: '1Mi' } } } },
      ],
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'shared' },
    spec: {
      replicas: 8,
      selector: selector('shared'),
      // A process of its own holds the sandbox of such a pod.
      template: template('shared', 'exec sleep 100000', { shareProcessNamespace: true }),
    },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'DaemonSet',
    metadata: { name: 'agent' },
    spec: { selector: selector('agent'), template: template('agent', 'exec sleep 100000', { hostNetwork: true }) },
  },
  {
    apiVersion: 'batch/v1',
    kind: 'Job',
    metadata: { name: 'long' },
    spec: { completions: 2, parallelism: 2, template: template('long', 'exec sleep 100000', { restartPolicy: 'OnFailure' }) },
  },
]

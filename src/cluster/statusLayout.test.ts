import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterStatus, WorkerStatus } from './status.ts'
import { clusterLayout } from './statusLayout.ts'

const first = (more: Partial<ClusterStatus> = {}): ClusterStatus => ({
  Name: 'dev',
  Host: 'Running',
  Kubelet: 'Running',
  APIServer: 'Running',
  Kubeconfig: 'Configured',
  Worker: false,
  ...more,
})
const worker = (kubelet: WorkerStatus['Kubelet']): WorkerStatus => ({ Name: 'dev-m02', Host: 'Running', Kubelet: kubelet, Worker: true })
const stopped = { Host: 'Stopped', Kubelet: 'Stopped', APIServer: 'Stopped', Kubeconfig: 'Stopped' } as const

const cases: readonly [what: string, status: [ClusterStatus, ...WorkerStatus[]], cluster: number, nodes: number[]][] = [
  ['all runs', [first(), worker('Running')], 200, [200, 200]],
  ['a stopped one', [first(stopped)], 405, [405]],
  ['an API server that does not answer', [first({ APIServer: 'Stopped' })], 204, [204]],
  ['a worker without a kubelet', [first(), worker('Stopped')], 204, [200, 204]],
  ['a kubeconfig without the cluster', [first({ Kubeconfig: 'Misconfigured' })], 204, [200]],
  ['a paused one', [first({ Host: 'Paused' })], 418, [418]],
  ['one whose container has gone', [first({ Host: 'Nonexistent' })], 404, [404]],
]
for (const [what, status, cluster, nodes] of cases)
  test(`codes of ${what}`, () => {
    const layout = clusterLayout(status)
    assert.deepEqual([layout.StatusCode, layout.Nodes.map(({ StatusCode }) => StatusCode)], [cluster, nodes])
  })

test('parts have names', () => {
  assert.deepEqual(clusterLayout([first({ APIServer: 'Stopped' })]), {
    Name: 'dev',
    StatusCode: 204,
    StatusName: 'Degraded',
    Components: { kubeconfig: { Name: 'kubeconfig', StatusCode: 200, StatusName: 'OK' } },
    Nodes: [
      {
        Name: 'dev',
        StatusCode: 204,
        StatusName: 'Degraded',
        Components: {
          apiserver: { Name: 'apiserver', StatusCode: 405, StatusName: 'Stopped' },
          kubelet: { Name: 'kubelet', StatusCode: 200, StatusName: 'OK' },
        },
      },
    ],
  })
})

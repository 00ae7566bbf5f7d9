import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ClusterStatus, WorkerStatus } from '../../cluster/status.ts'
import { formatStatus, type StatusOptions } from './status.ts'

const first: ClusterStatus = {
  Name: 'dev',
  Host: 'Running',
  Kubelet: 'Running',
  APIServer: 'Stopped',
  Kubeconfig: 'Configured',
  Worker: false,
}
const worker: WorkerStatus = { Name: 'dev-m02', Host: 'Running', Kubelet: 'Stopped', Worker: true }
const format = (status: Parameters<typeof formatStatus>[0], options: Partial<StatusOptions>): string =>
  formatStatus(status, { output: 'text', layout: 'nodes', ...options })

test('a block for each node', () =>
  assert.equal(
    format([first, worker], {}),
    'dev\ntype: Control Plane\nhost: Running\nkubelet: Running\napiserver: Stopped\nkubeconfig: Configured\n\ndev-m02\ntype: Worker\nhost: Running\nkubelet: Stopped\n\n',
  ))

test('JSON: an object for one node, a list for several', () => {
  assert.deepEqual(JSON.parse(format([first], { output: 'json' })), first)
  assert.deepEqual(JSON.parse(format([first, worker], { output: 'json' })), [first, worker])
})

test('a template of fields, a line for each node', () => {
  assert.equal(format([first, worker], { format: '{{.Name}}: {{ .APIServer }}!' }), 'dev: Stopped!\ndev-m02: !\n')
  assert.throws(() => format([first], { format: '{{.Nope}}' }), { exitCode: 14, hint: /{{\.Host}}/ })
  assert.throws(() => format([first], { format: '{{range .}}' }), { exitCode: 14 })
})

test('the cluster with its codes', () =>
  assert.equal(
    format([first], { layout: 'cluster' }),
    'dev: Degraded (204)\n  kubeconfig: OK (200)\n  dev: Degraded (204)\n    apiserver: Stopped (405)\n    kubelet: OK (200)\n',
  ))

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatTree } from './tree.ts'

test('branches, from the engine to the containers; a node that does not run has none', () => {
  const component = { name: 'kubelet', state: 'Running', restarts: 2, lastError: 'boom' }
  const pod = { namespace: 'default', name: 'web', uid: '1', containers: [{ name: 'app', image: 'x:1', status: 'Up' }] }
  const node = { image: 'minicube/node:1', ip: '10.0.0.2', status: 'running' }
  const text = formatTree({
    engine: { host: 'unix:///x', source: 'Docker' },
    nodes: [
      { ...node, name: 'dev', components: [component], engineVersion: '26', pods: [pod] },
      { ...node, name: 'dev-m02', status: 'exited', components: [], pods: [] },
    ],
  })
  assert.equal(
    text,
    `engine unix:///x (Docker)
├─ node container dev  minicube/node:1  10.0.0.2  running
│  ├─ control plane
│  │  └─ kubelet  Running, restarted 2 times: boom
│  └─ engine docker 26
│     └─ pod default/web
│        └─ app  x:1  Up
└─ node container dev-m02  minicube/node:1  10.0.0.2  exited
`,
  )
})

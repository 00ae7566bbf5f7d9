import assert from 'node:assert/strict'
import { test } from 'node:test'
import { podTrees } from './tree.ts'

const listed = (pod: string, container: string, image = ''): Parameters<typeof podTrees>[0][number] => ({
  Id: `${pod}-${container}`,
  State: 'running',
  Status: 'Up 2 seconds',
  Image: 'x:1',
  Labels: {
    'io.minicube.pod.uid': pod,
    'io.minicube.pod.name': pod,
    'io.minicube.pod.namespace': 'default',
    ...(image && { 'io.minicube.image': image }),
    ...(container && { 'io.minicube.container.name': container }),
  },
})

test('containers stand below their pods, others are left out', () => {
  const foreign = { ...listed('x', ''), Labels: {} }
  const trees = podTrees([listed('web', 'app', 'hello:dev'), listed('db', ''), foreign, listed('web', '')])
  assert.deepEqual(
    trees.map(({ namespace, name, containers }) => [`${namespace}/${name}`, ...containers.map((c) => `${c.name} ${c.image} ${c.status}`)]),
    [
      ['default/db', 'sandbox x:1 Up 2 seconds'],
      ['default/web', 'app hello:dev Up 2 seconds', 'sandbox x:1 Up 2 seconds'],
    ],
  )
})

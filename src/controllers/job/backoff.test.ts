import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, Pod } from '../../api/kinds/core/v1.ts'
import { endOf } from './backoff.ts'

const status = (name: string, finishedAt?: string): ContainerStatus => ({
  name,
  image: 'i',
  imageID: '',
  ready: false,
  restartCount: 0,
  state: finishedAt ? { terminated: { exitCode: 1, finishedAt } } : { running: {} },
})
const at = (second: number): string => `2026-01-01T00:00:0${second}Z`

function pod(more: Partial<Pod>): Pod {
  return {
    metadata: { name: 'p', namespace: 'ns', uid: 'p', resourceVersion: '1', creationTimestamp: at(0), ...more.metadata },
    spec: { containers: [], ...more.spec },
    ...(more.status && { status: more.status }),
  }
}
const sidecar = { containers: [], initContainers: [{ name: 's', restartPolicy: 'Always' }, { name: 'i' }] }
const notReady = [{ type: 'Ready', status: 'False', lastTransitionTime: at(8) }]

test('when a pod ended', () => {
  const going = { metadata: { deletionTimestamp: at(9), deletionGracePeriodSeconds: 3 } as Pod['metadata'] }
  const cases: [string, Pod, number][] = [
    ['its last container', pod({ status: { containerStatuses: [status('a', at(2)), status('b', at(4))], conditions: notReady } }), 4],
    ['one still runs', pod({ status: { containerStatuses: [status('a', at(2)), status('b')], conditions: notReady } }), 8],
    [
      'a sidecar ends last',
      pod({
        spec: sidecar,
        status: { containerStatuses: [status('a', at(2))], initContainerStatuses: [status('s', at(5)), status('i', at(7))] },
      }),
      5,
    ],
    ['not ready any more', pod({ status: { conditions: notReady } }), 8],
    ['told to go', pod(going), 6],
    ['nothing is known', pod({}), 0],
  ]
  for (const [what, subject, second] of cases) assert.equal(endOf(subject), Date.parse(at(second)), what)
})

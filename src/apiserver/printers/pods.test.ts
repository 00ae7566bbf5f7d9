import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { ContainerStatus, Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { podPrinter } from './pods.ts'

const NOW = Date.UTC(2026, 0, 1)

function pod(status: Partial<PodStatus>, more: { init?: number; sidecar?: boolean; deleted?: boolean; containers?: number } = {}): Pod {
  const { init = 0, sidecar = false, deleted = false, containers = 1 } = more
  return {
    metadata: {
      name: 'p',
      namespace: 'n',
      creationTimestamp: new Date(NOW - 65_000).toISOString(),
      ...(deleted && { deletionTimestamp: new Date(NOW).toISOString() }),
    },
    spec: {
      containers: Array.from({ length: containers }, (_, i) => ({ name: `c${i}`, image: 'i' })),
      initContainers: Array.from({ length: init }, (_, i) => ({ name: `i${i}`, ...(sidecar && { restartPolicy: 'Always' }) })),
    },
    status,
  } as unknown as Pod
}

const container = (state: ContainerStatus['state'], more: object = {}): ContainerStatus =>
  ({ name: 'c0', ready: false, restartCount: 0, state, ...more }) as unknown as ContainerStatus
const running = container({ running: { startedAt: '' } }, { ready: true })
const crashed = { terminated: { exitCode: 1, finishedAt: new Date(NOW - 30_000).toISOString() } } as ContainerStatus['lastState']

test('a pod in a row', () => {
  const cases: [string, Pod, string[]][] = [
    ['pending', pod({ phase: 'Pending' }), ['0/1', 'Pending', '0']],
    [
      'gated',
      pod({ phase: 'Pending', conditions: [{ type: 'PodScheduled', status: 'False', reason: 'SchedulingGated' }] as never }),
      ['0/1', 'SchedulingGated', '0'],
    ],
    ['running', pod({ phase: 'Running', containerStatuses: [running] }), ['1/1', 'Running', '0']],
    [
      'creating',
      pod({ phase: 'Pending', containerStatuses: [container({ waiting: { reason: 'ContainerCreating' } })] }),
      ['0/1', 'ContainerCreating', '0'],
    ],
    [
      'crash loop',
      pod({
        phase: 'Running',
        containerStatuses: [container({ waiting: { reason: 'CrashLoopBackOff' } }, { restartCount: 3, lastState: crashed })],
      }),
      ['0/1', 'CrashLoopBackOff', '3 (30s ago)'],
    ],
    ['exit code', pod({ phase: 'Failed', containerStatuses: [container({ terminated: { exitCode: 2 } })] }), ['0/1', 'ExitCode:2', '0']],
    [
      'completed',
      pod({ phase: 'Succeeded', containerStatuses: [container({ terminated: { exitCode: 0, reason: 'Completed' } })] }),
      ['0/1', 'Completed', '0'],
    ],
    [
      'first init',
      pod({ phase: 'Pending', initContainerStatuses: [container({ running: { startedAt: '' } }, { name: 'i0' })] }, { init: 2 }),
      ['0/1', 'Init:0/2', '0'],
    ],
    [
      'init failed',
      pod(
        { phase: 'Pending', initContainerStatuses: [container({ terminated: { exitCode: 1, reason: 'Error' } }, { name: 'i0' })] },
        { init: 1 },
      ),
      ['0/1', 'Init:Error', '0'],
    ],
    [
      'sidecar',
      pod(
        {
          phase: 'Running',
          initContainerStatuses: [container({ running: { startedAt: '' } }, { name: 'i0', started: true, ready: true })],
          containerStatuses: [running],
        },
        { init: 1, sidecar: true },
      ),
      ['2/2', 'Running', '0'],
    ],
    ['terminating', pod({ phase: 'Running', containerStatuses: [running] }, { deleted: true }), ['1/1', 'Terminating', '0']],
    ['lost', pod({ phase: 'Running', reason: 'NodeLost' }, { deleted: true }), ['0/1', 'Unknown', '0']],
  ]
  for (const [name, object, expected] of cases) assert.deepEqual(podPrinter.cells(object, NOW).slice(1, 4), expected, name)
  assert.equal(podPrinter.cells(pod({ phase: 'Pending' }), NOW)[4], '65s')
})

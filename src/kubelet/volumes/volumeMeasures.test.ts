import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/clock.ts'
import { KubeletMeasures } from '../metrics/measures.ts'
import { pluginNameOf, VolumeMeasures } from './volumeMeasures.ts'

test('a volume has the name of its plugin', () => {
  const at = (hostPath: string, device = false) => ({ hostPath, readOnly: false, device })
  const claim = { name: 'v', persistentVolumeClaim: { claimName: 'c' } }
  const cases = [
    [{ name: 'v', emptyDir: {} }, undefined, 'empty-dir'],
    [{ name: 'v', configMap: {} }, undefined, 'configmap'],
    [{ name: 'v', projected: { sources: [] } }, undefined, 'projected'],
    [claim, at('/k/pods/u/volumes/kubernetes.io~csi/v/mount'), 'csi'],
    [claim, at('/k/pods/u/volumes/kubernetes.io~local-volume/v'), 'local-volume'],
    [claim, at('/dev/sdb', true), 'local-volume'],
    [claim, at('/data/v'), 'host-path'],
  ] as const
  for (const [volume, prepared, expected] of cases) assert.equal(pluginNameOf(volume as never, prepared), `kubernetes.io/${expected}`)
})

test('volumes are counted by plugin, as they are wanted and as they are there', () => {
  const clock = new FakeClock(0)
  const measures = new KubeletMeasures(clock)
  const volumes = new VolumeMeasures(measures, clock)
  const shown = (): string[] =>
    measures
      .metrics()
      .filter(({ name }) => name === 'volume_manager_total_volumes')
      .flatMap(({ samples }) => samples.map(({ labels, value }) => `${labels?.['plugin_name']} ${labels?.['state']} ${value}`))
  const emptyDir = { name: 'e', emptyDir: {} }
  volumes.mounted('a', emptyDir, { hostPath: '/e', readOnly: false }, 0)
  volumes.mounted('b', emptyDir, undefined, 0)
  assert.deepEqual(shown(), ['kubernetes.io/empty-dir desired_state_of_world 2', 'kubernetes.io/empty-dir actual_state_of_world 1'])
  volumes.unmounted('a', 0)
  volumes.unmounted('b', 0)
  assert.deepEqual(shown(), ['kubernetes.io/empty-dir desired_state_of_world 0', 'kubernetes.io/empty-dir actual_state_of_world 0'])
  const operations = measures.metrics().find(({ name }) => name === 'storage_operation_duration_seconds')
  const counts = operations?.samples.filter(({ metricName }) => metricName?.endsWith('_count'))
  assert.deepEqual(
    counts?.map(({ labels, value }) => `${labels?.['operation_name']} ${labels?.['status']} ${value}`),
    ['volume_mount success 1', 'volume_mount fail-unknown 1', 'volume_unmount success 2'],
  )
})

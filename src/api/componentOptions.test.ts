import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExtraConfigError, parseExtraConfig, readComponentOptions } from './componentOptions.ts'

test('settings are read by component', () => {
  const config = parseExtraConfig([
    'controller-manager.horizontal-pod-autoscaler-sync-period=1m30s',
    'controller-manager.controllers=*,-cronjob-controller',
    'controller-manager.terminated-pod-gc-threshold=5',
    'controller-manager.terminated-pod-gc-threshold=0',
    'kubelet.node-labels=a=b,example.com/c=d',
  ])
  assert.deepEqual(readComponentOptions(config), {
    apiserver: {},
    'controller-manager': {
      'horizontal-pod-autoscaler-sync-period': 90_000,
      controllers: ['*', '-cronjob-controller'],
      'terminated-pod-gc-threshold': 0,
    },
    scheduler: {},
    kubelet: { 'node-labels': { a: 'b', 'example.com/c': 'd' } },
    'kube-proxy': {},
  })
})

test('mistakes are told with what may have been meant', () => {
  const cases: [string, RegExp, RegExp][] = [
    ['nonsense', /"nonsense" is no setting of a component/, /For example/],
    ['kubeadm.x=1', /"kubeadm" is no component/, /apiserver, controller-manager, scheduler, kubelet, kube-proxy/],
    ['controller-manager.hpa-period=1s', /has no option "hpa-period"/, /horizontal-pod-autoscaler-sync-period/],
    ['controller-manager.node-monitor-grace=1s', /has no option/, /^Did you mean node-monitor-grace-period/],
    ['controller-manager.node-monitor-grace-period=soon', /must be a duration such as 30s or 1m30s, not "soon"/, /upstream/],
    ['controller-manager.concurrent-job-syncs=0', /must be a whole number above 0/, /upstream/],
    ['kube-proxy.proxy-mode=ipvs', /nftables alone/, /Leave/],
  ]
  for (const [entry, message, hint] of cases)
    assert.throws(
      () => parseExtraConfig([entry]),
      (error: unknown) => error instanceof ExtraConfigError && message.test(error.message) && hint.test(error.hint),
      entry,
    )
})

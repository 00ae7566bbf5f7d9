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

test('a kubelet’s settings have the names of flags, or of the fields of its configuration', () => {
  const { kubelet } = readComponentOptions(
    parseExtraConfig([
      'kubelet.maxPods=30',
      'kubelet.kube-reserved=cpu=200m,memory=500Mi',
      'kubelet.evictionHard=memory.available<200Mi,nodefs.available<10%,imagefs.available<0%',
      'kubelet.container-log-max-size=64Ki',
      'kubelet.evictionSoft=memory.available<500Mi',
      'kubelet.eviction-soft-grace-period=memory.available=1m30s',
      'kubelet.evictionMaxPodGracePeriod=20',
      'kubelet.eviction-minimum-reclaim=memory.available=100Mi,nodefs.available=5%',
      'kubelet.seccompDefault=true',
      'kubelet.imageGCHighThresholdPercent=90',
      'kubelet.image-gc-high-threshold=70',
      'kubelet.imageGCLowThresholdPercent=60',
      'kubelet.imageMaximumGCAge=24h',
      'kubelet.crashLoopBackOff.maxContainerRestartPeriod=20s',
      'kubelet.shutdownGracePeriodByPodPriority=2000000000=5,-10=0,100=20',
    ]),
  )
  assert.deepEqual(kubelet, {
    'max-pods': 30,
    'kube-reserved': { cpu: '200m', memory: '500Mi' },
    'eviction-hard': {
      'memory.available': { amount: 200 * 2 ** 20 },
      'nodefs.available': { share: 0.1 },
      'imagefs.available': { share: 0 },
    },
    'container-log-max-size': 65_536,
    'eviction-soft': { 'memory.available': { amount: 500 * 2 ** 20 } },
    'eviction-soft-grace-period': { 'memory.available': 90_000 },
    'eviction-max-pod-grace-period': 20,
    'eviction-minimum-reclaim': { 'memory.available': { amount: 100 * 2 ** 20 }, 'nodefs.available': { share: 0.05 } },
    'seccomp-default': true,
    'image-gc-high-threshold': 70,
    'image-gc-low-threshold': 60,
    imageMaximumGCAge: 86_400_000,
    'crashLoopBackOff.maxContainerRestartPeriod': 20_000,
    shutdownGracePeriodByPodPriority: [
      { priority: 2_000_000_000, seconds: 5 },
      { priority: -10, seconds: 0 },
      { priority: 100, seconds: 20 },
    ],
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
    ['kubelet.max-pod=3', /has no option "max-pod"/, /max-pods/],
    ['kubelet.kube-reserved=gpu=1', /must be amounts of cpu, memory/, /upstream/],
    ['kubelet.kubeReserved=cpu=-1', /kubelet\.kube-reserved must be amounts/, /upstream/],
    ['kubelet.eviction-hard=memory.available>1', /must be thresholds of memory.available/, /upstream/],
    ['kubelet.eviction-hard=nodefs.available<101%', /must be thresholds/, /upstream/],
    [
      'kubelet.eviction-soft=memory.available<1Gi',
      /^grace period must be specified for the soft eviction threshold memory.available$/,
      /=1m30s/,
    ],
    ['kubelet.eviction-soft-grace-period=memory.available=soon', /must be durations of eviction signals/, /upstream/],
    ['kubelet.eviction-minimum-reclaim=memory.available<1', /must be amounts of eviction signals/, /upstream/],
    ['kubelet.container-log-max-size=0', /must be a size such as 10Mi/, /upstream/],
    ['kubelet.shutdownGracePeriod=100ms', /shutdownGracePeriod 0\.1s must be either zero or otherwise >= 1 sec/, /=30s/],
    ['kubelet.shutdownGracePeriodCriticalPods=5s', /shutdownGracePeriodCriticalPods 5s must be <= shutdownGracePeriod 0s/, /=10s/],
    ['kubelet.shutdownGracePeriodByPodPriority=high=5', /must be priorities of pods/, /upstream/],
    ['kubelet.imageGCHighThresholdPercent=80', /imageGCLowThresholdPercent .* 80 must be less than imageGCHigh.* 80$/, /set both/],
    ['kubelet.maxParallelImagePulls=0', /must be a whole number above 0/, /upstream/],
    ['kubelet.imageMaximumGCAge=2m', /imageMaximumGCAge 120s must be greater than imageMinimumGCAge 120s/, /=24h/],
    ['kubelet.imagePullCredentialsVerificationPolicy=Sometimes', /option "Sometimes" specified .* "NeverVerifyPreloadedImages"/, /=Never/],
    ['kubelet.preloadedImagesVerificationAllowlist=a/b', /can't set `preloadedImagesVerificationAllowlist`/, /^Add --extra-config/],
    ['kubelet.seccomp-default=yes', /must be true or false/, /upstream/],
    ['kube-proxy.proxy-mode=ipvs', /nftables alone/, /Leave/],
    ['apiserver.authorization-mode=AlwaysAllow', /has the authorization modes Node and RBAC, not "AlwaysAllow"/, /Node,RBAC/],
    [
      'apiserver.enable-admission-plugins=NodeRestriction,PodNodeSelector',
      /the admission plugin PodNodeSelector is not there/,
      /NodeRestriction/,
    ],
    ['apiserver.disable-admission-plugins=NodeRestrictions', /no admission plugin "NodeRestrictions"/, /Did you mean NodeRestriction/],
    ['apiserver.oidc-client-id=k', /must be specified together/, /oidc-issuer-url/],
    ['apiserver.audit-log-truncate-max-batch-size=5', /max batch size 5, must be greater than max event size \(102400\)/, /batch-size/],
    ['apiserver.oidc-signing-algs=RS256,HS256', /"HS256" is no algorithm/, /RS256/],
    ['apiserver.encryption-provider-configs=f', /has no option "encryption-provider-configs"/, /Did you mean encryption-provider-config/],
  ]
  for (const [entry, message, hint] of cases)
    assert.throws(
      () => parseExtraConfig([entry]),
      (error: unknown) => error instanceof ExtraConfigError && message.test(error.message) && hint.test(error.hint),
      entry,
    )
})

test('issuers of tokens are said by a file, or by options', () => {
  const both = ['apiserver.authentication-config=f', 'apiserver.oidc-issuer-url=https://x', 'apiserver.oidc-client-id=k']
  assert.throws(() => parseExtraConfig(both), /authentication-config file and oidc-\* flags are mutually exclusive/)
})

test('who decides is said by a file, or by modes', () => {
  const both = ['apiserver.authorization-config=f', 'apiserver.authorization-mode=Node,RBAC']
  assert.throws(() => parseExtraConfig(both), /--authorization-config can not be specified when --authorization-mode/)
})

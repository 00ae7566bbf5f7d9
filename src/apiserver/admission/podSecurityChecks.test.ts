import assert from 'node:assert/strict'
import { test } from 'node:test'
import { violations } from './podSecurityChecks.ts'
import type { PodSpec } from '../../api/kinds/core/v1.ts'

const restricted: PodSpec = {
  securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
  containers: [{ name: 'a', securityContext: { allowPrivilegeEscalation: false, capabilities: { drop: ['ALL'] } } }],
}
const [container] = restricted.containers
const latest = { version: 'latest' }

const reasons = (level: 'baseline' | 'restricted', spec: PodSpec, version = 'latest', annotations = {}): string | undefined =>
  violations({ level, version }, spec, { annotations })?.reasons

test('a pod that keeps to the restricted standard', () => {
  assert.equal(violations({ level: 'restricted', ...latest }, restricted, {}), undefined)
})

const CASES: readonly [what: string, spec: Partial<PodSpec>, baseline: string | undefined, restricted: string | undefined][] = [
  ['host network', { hostNetwork: true }, 'host namespaces', 'host namespaces'],
  ['a host path', { volumes: [{ name: 'v', hostPath: { path: '/' } }] }, 'hostPath volumes', 'restricted volume types'],
  ['an NFS volume', { volumes: [{ name: 'v', nfs: { server: 's', path: '/' } }] }, undefined, 'restricted volume types'],
  [
    'an unsafe sysctl',
    { securityContext: { ...restricted.securityContext, sysctls: [{ name: 'kernel.msgmax', value: '1' }] } },
    'forbidden sysctls',
    'forbidden sysctls',
  ],
  [
    'SELinux user',
    { securityContext: { ...restricted.securityContext, seLinuxOptions: { user: 'u' } } },
    'seLinuxOptions',
    'seLinuxOptions',
  ],
  [
    'AppArmor unconfined',
    { securityContext: { ...restricted.securityContext, appArmorProfile: { type: 'Unconfined' } } },
    'forbidden AppArmor profile',
    'forbidden AppArmor profile',
  ],
  ['root', { securityContext: { ...restricted.securityContext, runAsUser: 0 } }, undefined, 'runAsUser=0'],
  [
    'root of a user namespace of its own',
    { hostUsers: false, securityContext: { ...restricted.securityContext, runAsUser: 0 } },
    undefined,
    undefined,
  ],
  ['Windows', { os: { name: 'windows' }, securityContext: { runAsNonRoot: true }, containers: [{ name: 'a' }] }, undefined, undefined],
  [
    'a probe of another host',
    { containers: [{ ...container, name: 'a', livenessProbe: { httpGet: { host: 'x', port: 80 } } }] },
    'probe or lifecycle host',
    'probe or lifecycle host',
  ],
]
for (const [what, spec, baseline, strict] of CASES) {
  test(`${what}: baseline and restricted`, () => {
    assert.equal(reasons('baseline', { ...restricted, ...spec }), baseline)
    assert.equal(reasons('restricted', { ...restricted, ...spec }), strict)
  })
}

test('older standards are judged as they were', () => {
  const probing: PodSpec = { ...restricted, containers: [{ ...container, name: 'a', livenessProbe: { httpGet: { host: 'x', port: 80 } } }] }
  assert.equal(reasons('baseline', probing, 'v1.33'), undefined)
  const sysctl: PodSpec = {
    ...restricted,
    securityContext: { ...restricted.securityContext, sysctls: [{ name: 'net.ipv4.tcp_rmem', value: '1' }] },
  }
  assert.equal(reasons('baseline', sysctl, 'v1.31'), 'forbidden sysctls')
  assert.equal(reasons('baseline', sysctl, 'v1.32'), undefined)
})

test('the annotation that AppArmor once had', () => {
  const annotations = { 'container.apparmor.security.beta.kubernetes.io/a': 'unconfined' }
  assert.equal(reasons('baseline', restricted, 'latest', annotations), 'forbidden AppArmor profile')
})

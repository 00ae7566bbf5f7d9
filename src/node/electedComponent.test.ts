import assert from 'node:assert/strict'
import { test } from 'node:test'
import { electionSettings, flagsOfGuest } from './electedComponent.ts'

const leaseOf = (...[component, flags]: Parameters<typeof electionSettings>): string => {
  const { namespace, name } = electionSettings(component, flags).lease
  return `${namespace}/${name}`
}

test('each component has a Lease of its own, also where the flags name one', () => {
  const flags = { 'leader-elect-resource-name': 'mine', 'leader-elect-resource-namespace': 'ns' }
  assert.equal(leaseOf('kube-controller-manager', {}), 'kube-system/kube-controller-manager')
  assert.equal(leaseOf('kube-controller-manager', flags), 'ns/mine')
  assert.equal(leaseOf('fake-nodes', flagsOfGuest(flags)), 'ns/fake-nodes')
})

test('times that cannot work are refused', () => {
  assert.throws(() => electionSettings('kube-scheduler', { 'leader-elect-lease-duration': 5_000 }), /lease-duration must be greater than/)
})

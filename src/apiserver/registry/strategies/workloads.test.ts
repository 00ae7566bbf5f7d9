import assert from 'node:assert/strict'
import { test } from 'node:test'
import { strategies } from './table.ts'
import type { DaemonSet, Deployment } from '../../../api/kinds/apps/v1.ts'
import type { Strategy } from '../strategy.ts'

const strategy = strategies.get('apps/daemonsets') as unknown as Strategy<DaemonSet>
const KEY = 'deprecated.daemonset.template.generation'
const set = (annotation: string | undefined, spec: object = {}): DaemonSet =>
  ({ metadata: { name: 'd', ...(annotation !== undefined && { annotations: { [KEY]: annotation } }) }, spec }) as unknown as DaemonSet

test("a DaemonSet's template generation is a number", () => {
  const decoded = (annotation?: string): string | undefined => {
    const object = set(annotation)
    strategy.decoded?.(object)
    return object.metadata.annotations?.[KEY]
  }
  assert.equal(decoded(), '0')
  assert.equal(decoded('7'), '7')
  const refusal = /^DaemonSet in version "v1" cannot be handled as a DaemonSet: strconv\.ParseInt: parsing "x": invalid syntax$/
  assert.throws(() => decoded('x'), { message: refusal })
})

test('both bounds of a rolling update are told where one is', () => {
  const object = set(undefined, { updateStrategy: { type: 'OnDelete', rollingUpdate: { maxUnavailable: 1 } } })
  strategy.decoded?.(object)
  assert.deepEqual(object.spec?.updateStrategy?.rollingUpdate, { maxUnavailable: 1, maxSurge: 0 })
})

test('the template generation counts changes of the template, an empty struct among them', () => {
  const generation = (template: object): string | undefined => {
    const next = set('1', { template })
    strategy.settleUpdate?.(next, set('1', { template: { spec: { containers: [] } } }))
    return next.metadata.annotations?.[KEY]
  }
  assert.equal(generation({ spec: { containers: [] } }), '1')
  assert.equal(generation({ spec: { containers: [], affinity: {} } }), '2')
})

test('a Deployment’s revision to go back to is a number, written as Go writes it', () => {
  const deployments = strategies.get('apps/deployments') as unknown as Strategy<Deployment>
  const key = 'deprecated.deployment.rollback.to'
  const decoded = (text: string): object | undefined => {
    const object = { metadata: { name: 'd', annotations: { [key]: text } } } as unknown as Deployment
    deployments.decoded?.(object)
    return object.metadata.annotations
  }
  assert.deepEqual(decoded('+5'), { [key]: '5' })
  assert.deepEqual(decoded('9007199254740993'), { [key]: '9007199254740993' })
  assert.equal(decoded(''), undefined)
  const refused = `failed to parse annotation[${key}]=x as int64: strconv.ParseInt: parsing "x": invalid syntax`
  assert.throws(() => decoded('x'), { message: `Deployment in version "v1" cannot be handled as a Deployment: ${refused}` })
  const spec = { selector: { matchLabels: { a: 'b' } }, template: {} }
  const errors =
    deployments.validateCreate?.({ metadata: { name: 'd', annotations: { [key]: '-1' } }, spec } as never, undefined as never) ?? []
  assert.deepEqual(
    errors.filter(({ field }) => field === 'spec.rollback.version').map(({ message }) => message),
    ['Invalid value: -1: must be greater than or equal to 0'],
  )
})

/** Limits and quotas of a namespace hold when pods are resized, as they do when pods are made. */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { type AdmissionServer, startAdmissionServer } from './admissionTest.ts'

const NAMESPACE = '/api/v1/namespaces/default'
const STRATEGIC = 'application/strategic-merge-patch+json'
let server: AdmissionServer

const resources = (cpu: string, memory: string): object => ({ limits: { cpu, memory }, requests: { cpu, memory } })
const pod = (name: string, spec: object = {}): object => ({
  metadata: { name },
  spec: { containers: [{ name: 'c', image: 'i', resources: resources('300m', '300Mi') }], ...spec },
})
const resize = (name: string, cpu: string, memory: string) =>
  server.send(
    'PATCH',
    `${NAMESPACE}/pods/${name}/resize`,
    { spec: { containers: [{ name: 'c', resources: resources(cpu, memory) }] } },
    STRATEGIC,
  )
const create = async (resource: string, object: object): Promise<void> => {
  const { code, body } = await server.send('POST', `${NAMESPACE}/${resource}`, object)
  assert.equal(code, 201, JSON.stringify(body))
}
const remove = (path: string) => server.send('DELETE', `${NAMESPACE}/${path}`)

before(async () => {
  server = await startAdmissionServer()
  await create('serviceaccounts', { metadata: { name: 'default' } })
})
after(() => server.api.stop())

test('a resize keeps to the LimitRange', async () => {
  const limits = [{ type: 'Container', max: { cpu: '500m', memory: '500Mi' }, min: { cpu: '50m', memory: '50Mi' } }]
  await create('limitranges', { metadata: { name: 'l' }, spec: { limits } })
  await create('pods', pod('p'))
  const cases: [cpu: string, memory: string, says: RegExp | undefined][] = [
    ['250m', '750Mi', /forbidden: maximum memory usage per Container is 500Mi, but limit is 750Mi$/],
    ['600m', '300Mi', /forbidden: maximum cpu usage per Container is 500m, but limit is 600m$/],
    ['10m', '20Mi', /forbidden: \[minimum cpu usage .* but request is 10m, minimum memory usage .* but request is 20Mi\]$/],
    ['400m', '400Mi', undefined],
  ]
  for (const [cpu, memory, says] of cases) {
    const { code, body } = await resize('p', cpu, memory)
    assert.equal(code, says ? 403 : 200, JSON.stringify(body))
    if (says) assert.match(body.message ?? '', says)
  }
  await remove('limitranges/l')
  await remove('pods/p')
})

test('a resize is charged to the quota', async () => {
  await create('resourcequotas', { metadata: { name: 'q' }, spec: { hard: { cpu: '800m', memory: '800Mi' } } })
  await create('pods', pod('p1'))
  await create('pods', pod('p2'))
  const refused = await resize('p1', '250m', '750Mi')
  assert.equal(refused.code, 403)
  assert.match(refused.body.message ?? '', /exceeded quota: q, requested: memory=450Mi, used: memory=600Mi, limited: memory=800Mi$/)
  assert.equal((await resize('p1', '400m', '400Mi')).code, 200)
  assert.match((await resize('p2', '500m', '300Mi')).body.message ?? '', /requested: cpu=200m, used: cpu=700m, limited: cpu=800m$/)
  await remove('resourcequotas/q')
})

test('a pod that is given a deadline comes under the quota for such pods', async () => {
  await create('resourcequotas', { metadata: { name: 'terminating' }, spec: { hard: { pods: '1' }, scopes: ['Terminating'] } })
  await create('pods', pod('with', { activeDeadlineSeconds: 60 }))
  await create('pods', pod('without'))
  const change = { spec: { activeDeadlineSeconds: 90 } }
  assert.equal((await server.send('PATCH', `${NAMESPACE}/pods/with`, { spec: { activeDeadlineSeconds: 30 } }, STRATEGIC)).code, 200)
  const { code, body } = await server.send('PATCH', `${NAMESPACE}/pods/without`, change, STRATEGIC)
  assert.equal(code, 403)
  assert.match(body.message ?? '', /exceeded quota: terminating, requested: pods=1, used: pods=1, limited: pods=1$/)
})

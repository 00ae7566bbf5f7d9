import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { StatefulSet } from '../../api/kinds/apps/v1.ts'
import { persistentvolumeclaims, type PersistentVolumeClaim, type Pod } from '../../api/kinds/core/v1.ts'
import { Client, type ResourceRequest } from '../../client/client.ts'
import { HandFedInformers } from '../../client/testing/handFedInformers.ts'
import { SetPods } from './setPods.ts'

const meta = (name: string) => ({ name, namespace: 'ns', uid: name, resourceVersion: '1', creationTimestamp: '' })
const set = (whenDeleted: string): StatefulSet => ({
  metadata: meta('db'),
  spec: {
    selector: {},
    serviceName: '',
    template: {},
    volumeClaimTemplates: [{ metadata: meta('data'), spec: {} }],
    persistentVolumeClaimRetentionPolicy: { whenDeleted, whenScaled: 'Delete' },
  },
})
const pod = (name: string): Pod => ({ metadata: meta(name), spec: { containers: [] } })

test('a claim that changes hands is told as an update of its pod, unless the pod goes', async () => {
  const informers = new HandFedInformers()
  const written: string[] = []
  const told: string[] = []
  const request = async ({ verb, name, body }: ResourceRequest): Promise<unknown> => {
    const owners = ((body as PersistentVolumeClaim).metadata.ownerReferences ?? []).map(({ kind }) => kind)
    written.push(`${verb} ${name} ${owners.join()}`)
    return body
  }
  const setPods = new SetPods({
    client: new Client({ request, watch: () => assert.fail('watched') }),
    events: { record: (_, { reason, message }) => void told.push(`${reason}: ${message}`) },
    claims: informers.for(persistentvolumeclaims),
    writes: { wrote: () => {} },
  })
  for (const name of ['data-db-0', 'data-db-1']) informers.set(persistentvolumeclaims, { metadata: meta(name), spec: {} })
  await setPods.handOverClaims(set('Delete'), [pod('db-0'), pod('db-1')], new Set([1]), AbortSignal.timeout(60_000))
  assert.deepEqual(written, ['update data-db-0 StatefulSet', 'update data-db-1 Pod'])
  assert.deepEqual(told, ['SuccessfulUpdate: Update Pod db-0 in StatefulSet db successful'])
})

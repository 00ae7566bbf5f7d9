import assert from 'node:assert/strict'
import { test } from 'node:test'
import { openEngine } from './engine/engine.ts'
import { keptByOthers } from './network.ts'
import { withFakeCluster } from './testing/fakeEngine.ts'

test('addresses and ports that other clusters keep, stopped or not, whoever made them', async () => {
  await withFakeCluster(async ({ env, answers }) => {
    const container = (profile: string, endpoint: object, port?: string): object => ({
      Labels: { 'io.minicube.profile': profile, ...(port && { 'io.minicube.api-port': port }) },
      NetworkSettings: { Networks: { minicube: endpoint } },
    })
    answers.set('/containers/json', [
      container('dev', { IPAddress: '192.168.201.10' }, '26443'),
      container('stopped', { IPAddress: '', IPAMConfig: { IPv4Address: '192.168.201.11' } }, '26444'),
      // Of a version that had no such label.
      container('old', { IPAddress: '192.168.201.12' }),
    ])
    const engine = await openEngine({ host: String(env['DOCKER_HOST']), source: '' })
    assert.deepEqual(await keptByOthers(engine, 'dev'), { nodeIPs: ['192.168.201.11', '192.168.201.12'], apiPorts: [26_444] })
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { getNodeAddresses } from './runningNode.ts'
import { stopCluster } from './stopCluster.ts'
import { readProfile, writeProfile } from './profile.ts'
import { PROFILE, RUNNING_NODE, withFakeCluster } from './testing/fakeEngine.ts'

const signal = AbortSignal.timeout(30_000)

test('a node that is stopped, and one whose engine does not answer, are told apart', async () => {
  await withFakeCluster(async ({ env, home, answers }) => {
    const options = { profile: PROFILE, signal, env, onNotice: () => {} }
    assert.deepEqual(await getNodeAddresses(options), { IP: '192.168.201.10', IPv6: '' })
    answers.set(`/containers/${PROFILE}/json`, { ...RUNNING_NODE, State: { ...RUNNING_NODE.State, Running: false, Status: 'exited' } })
    await assert.rejects(getNodeAddresses(options), { exitCode: 83, message: 'the cluster "dev" is not running' })
    assert.equal(await stopCluster(options), false)
    const profile = await readProfile(home, PROFILE)
    assert.ok(profile)
    await writeProfile(home, { ...profile, engineHost: 'unix:///gone/docker.sock' })
    const away = { exitCode: 53, message: /^the container engine .* does not answer: unix:\/\/\/gone\/docker\.sock: no such socket$/ }
    await assert.rejects(getNodeAddresses(options), away)
    await assert.rejects(stopCluster(options), away)
  })
})

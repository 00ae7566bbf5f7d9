import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LogsOptions, readLogs } from './logs.ts'
import { frame, PROFILE, withFakeCluster } from './testing/fakeEngine.ts'

const line = (component: string, message: string): string => `${JSON.stringify({ component, message })}\n`
const LOG = [line('kubelet', 'one'), line('kube-proxy', 'two'), 'no JSON\n', line('kubelet', 'three'), line('kubelet', 'four')].join('')

/** The messages, or the error's text and hint. */
async function read(options: Partial<LogsOptions>): Promise<string[]> {
  const messages: string[] = []
  await withFakeCluster(async ({ env, answers }) => {
    answers.set(`/containers/${PROFILE}/logs`, frame(LOG))
    const lines = readLogs({ profile: PROFILE, signal: AbortSignal.timeout(10_000), env, ...options })
    for await (const { text, entry } of lines) messages.push(entry?.message ?? text)
  })
  return messages
}

test('the whole log', async () => assert.deepEqual(await read({}), ['one', 'two', 'no JSON', 'three', 'four']))

test('lines of one component, and the last of those', async () => {
  assert.deepEqual(await read({ component: 'kubelet' }), ['one', 'three', 'four'])
  assert.deepEqual(await read({ component: 'kubelet', tail: 2 }), ['three', 'four'])
  assert.deepEqual(await read({ component: 'kube-proxy', tail: 1 }), ['two'])
})

test('a component that has no line is a mistake of whoever asks', async () => {
  await assert.rejects(read({ component: 'nope' }), {
    exitCode: 14,
    message: 'the log has no line of "nope"',
    hint: 'There are lines of: kube-proxy, kubelet',
  })
})

import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { mkdir, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { withFakeCluster } from '../testing/fakeEngine.ts'
import { findOrStartEngine } from './engine.ts'

const signal = AbortSignal.timeout(30_000)
const find = (env: NodeJS.ProcessEnv, onNotice = (_: string): void => {}): Promise<unknown> =>
  findOrStartEngine({ installAllowed: false, onNotice, signal, env })

const refused: readonly [what: string, env: NodeJS.ProcessEnv, message: RegExp, hint: RegExp][] = [
  ['SSH', { DOCKER_HOST: 'ssh://me@far' }, /"ssh:\/\/me@far" is of a kind that minicube cannot use/, /forward its socket/],
  ['no address at all', { DOCKER_HOST: 'far' }, /"far" is of a kind/, /tcp:\/\/host:port/],
  [
    'a context that is not there',
    { DOCKER_CONTEXT: 'gone' },
    /DOCKER_CONTEXT is "gone", and there is no such context/,
    /docker context ls/,
  ],
  [
    'TCP without anybody there',
    { DOCKER_HOST: 'tcp://127.0.0.1:1' },
    /DOCKER_HOST \(tcp:\/\/127.0.0.1:1\): nobody listens there/,
    /^Start that engine/,
  ],
]
for (const [what, env, message, hint] of refused)
  test(`an engine that cannot be had: ${what}`, () =>
    assert.rejects(find(env), (error: Error & { hint?: string }) => {
      assert.match(error.message, message)
      assert.match(error.hint ?? '', hint)
      return true
    }))

test("another engine in place of the current context's is told", async () => {
  await withFakeCluster(async ({ home, env }) => {
    const config = join(home, '.docker')
    const meta = join(config, 'contexts/meta', createHash('sha256').update('colima').digest('hex'))
    await mkdir(meta, { recursive: true })
    await writeFile(join(meta, 'meta.json'), JSON.stringify({ Name: 'colima', Endpoints: { docker: { Host: 'unix:///gone.sock' } } }))
    await writeFile(join(config, 'config.json'), JSON.stringify({ currentContext: 'colima' }))
    const notices: string[] = []
    await symlink((env['DOCKER_HOST'] ?? '').slice('unix://'.length), join(home, 'docker.sock'))
    // Found as a rootless Docker's, unless this machine has one that comes before it.
    const found = await find({ DOCKER_CONFIG: config, XDG_RUNTIME_DIR: home }, (text) => notices.push(text))
    assert.ok(found)
    assert.match(notices.join(), /^docker context colima \(unix:\/\/\/gone\.sock\) does not answer: no such socket\. Using /)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecError, run } from './exec.ts'

const sh = (script: string, options = {}): ReturnType<typeof run> => run('sh', ['-c', script], options)

test('answers what a program printed, without the last newline', async () => {
  assert.deepEqual(await sh('echo a; echo b >&2; echo'), { stdout: 'a\n', stderr: 'b' })
})

test('hands over input, environment and folder', async () => {
  const { stdout } = await sh('cat; echo "$WORD $HOME"; pwd', { input: 'given\n', env: { WORD: 'word' }, cwd: '/tmp' })
  assert.equal(stdout, `given\nword ${process.env['HOME'] ?? ''}\n/tmp`)
})

test('much in both directions, and input that nobody reads', async () => {
  const much = 'x'.repeat(3_000_000)
  assert.equal((await sh('cat', { input: much })).stdout.length, much.length)
  assert.equal((await sh('exec 0<&-; echo done', { input: much })).stdout, 'done')
})

test('a failure tells the command, its code and what it said', async () => {
  await assert.rejects(sh('echo out; echo wrong >&2; exit 3'), (error: unknown) => {
    assert.ok(error instanceof ExecError)
    assert.deepEqual([error.exitCode, error.stdout, error.stderr], [3, 'out', 'wrong'])
    assert.match(error.message, /^command failed with exit code 3: sh -c .*\nwrong$/s)
    return true
  })
})

test('a program that is not there', async () => {
  await assert.rejects(run('/nowhere/program', ['x']), (error: unknown) => {
    assert.ok(error instanceof ExecError && error.exitCode === undefined)
    assert.match(String(error.cause), /ENOENT/)
    return true
  })
})

test('one that takes too long, is killed from outside, or prints without end', async () => {
  await assert.rejects(sh('exec sleep 100', { timeoutMs: 50 }), (error: unknown) =>
    /longer than 50 ms/.test(String((error as Error).cause)),
  )
  await assert.rejects(sh('kill -9 $$'), (error: unknown) => /ended by SIGKILL/.test(String((error as Error).cause)))
  await assert.rejects(run('cat', ['/dev/zero']), (error: unknown) => /printed more than/.test(String((error as Error).cause)))
})

test('a signal that aborts ends the program and gives its reason', async () => {
  const abort = new AbortController()
  const running = sh('exec sleep 100', { signal: abort.signal })
  abort.abort(new Error('enough'))
  await assert.rejects(running, /^Error: enough$/)
  await assert.rejects(sh('true', { signal: abort.signal }), /^Error: enough$/)
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { ExecError } from './exec.ts'
import { quoted, Shell } from './shell.ts'

const { signal } = new AbortController()

test('scripts run one after the other in one process', async () => {
  const shell = new Shell()
  const all = await Promise.all([1, 2, 3].map((n) => shell.run(`echo ${n} $PPID $$`, { signal })))
  assert.deepEqual(
    all.map((text) => text.split(' ')[0]),
    ['1', '2', '3'],
  )
  assert.equal(new Set(all.map((text) => text.split(' ')[2])).size, 1)
})

test('a failure tells the command, its code and what it said; the shell goes on', async () => {
  const shell = new Shell()
  await assert.rejects(shell.run('echo oops >&2\nfalse\necho never', { signal }), (error: unknown) => {
    assert.ok(error instanceof ExecError)
    assert.equal(error.exitCode, 1)
    assert.match(error.message, /oops/)
    assert.doesNotMatch(error.stdout, /never/)
    return true
  })
  assert.equal(await shell.run("cat <<'END'\n$x 'y'\nEND", { signal }), "$x 'y'\n")
})

test('an exit, a hanging command and a killed shell cost one script alone', async () => {
  const shell = new Shell()
  await assert.rejects(shell.run('exit 3', { signal }), { exitCode: 3 })
  await assert.rejects(shell.run('sleep 10', { signal, timeoutMs: 50 }), /no answer within 50 ms/)
  await assert.rejects(shell.run('kill -9 $$', { signal }), /the shell ended/)
  assert.equal(await shell.run('echo on', { signal }), 'on\n')
})

test('who left is not waited for, and does not hold up the next', async () => {
  const shell = new Shell()
  const aborter = new AbortController()
  const first = shell.run('echo first', { signal })
  const second = shell.run('echo second', { signal: aborter.signal })
  aborter.abort()
  await assert.rejects(second, { name: 'AbortError' })
  assert.equal(await first, 'first\n')
  assert.equal(await shell.run('echo third', { signal }), 'third\n')
})

test('a word stays one word', async () => {
  const word = `a 'b' "c" $d \`e\` \\ ;`
  assert.equal(await new Shell().run(`printf %s ${quoted(word)}`, { signal }), word)
})

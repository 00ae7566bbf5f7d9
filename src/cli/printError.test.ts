import assert from 'node:assert/strict'
import { test } from 'node:test'
import { usageError, UserError } from '../cluster/userError.ts'
import { explainError, explainMachine, explainUsage } from './printError.ts'

type Command = Parameters<typeof explainUsage>[2]
const command = (name: string, commands: readonly Command[] = [], aliases: readonly string[] = []): Command => ({
  name: () => name,
  aliases: () => aliases,
  commands,
})

test('what happened, the cause when asked for, and what to do', () => {
  const cause = new Error('connect ECONNREFUSED')
  const error = new UserError({ area: 'DRIVER', sort: 'NOT_RUNNING', message: 'no engine answers', hint: 'Start it: docker', cause })
  assert.deepEqual(explainError(error, false), {
    text: 'Exiting due to DRIVER_NOT_RUNNING: no engine answers\n\nStart it: docker\n',
    exitCode: 53,
  })
  assert.match(explainError(error, true).text, /no engine answers\n {2}cause: connect ECONNREFUSED\n\nStart it/)
})

test('an error without a hint has no empty lines', () => {
  assert.equal(explainError(usageError('no'), false).text, 'Exiting due to MK_USAGE: no\n')
})

test('a full disk is told as one, however deep it lies; other errors stay what they are', () => {
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' })
  const { text, exitCode } = explainError(explainMachine(new Error('not written', { cause: full })), false)
  assert.equal(exitCode, 26)
  assert.match(text, /^Exiting due to RSRC_INSUFFICIENT_STORAGE: the disk is full: ENOSPC: .*\n\nMake room/)
  const said = new Error('(HTTP code 500) server error - write /var/lib/x: no space left on device')
  assert.equal(explainError(explainMachine(said), false).exitCode, 26)
  const other = new Error('other')
  assert.equal(explainMachine(other), other)
})

test('a file that this user may not use is told with its path', () => {
  const denied = Object.assign(new Error("EACCES: permission denied, mkdir '/nowhere'"), { code: 'EACCES', path: '/nowhere' })
  const { text, exitCode } = explainError(explainMachine(new Error('no home', { cause: denied })), false)
  assert.equal(exitCode, 37)
  assert.match(
    text,
    /^Exiting due to HOST_PERMISSION: this user may not use \/nowhere: EACCES.*\n\nSee whose it is \(ls -ld \/nowhere\).*MINICUBE_HOME/,
  )
  const socket = Object.assign(new Error('connect EACCES /run/docker.sock'), { code: 'EACCES' })
  assert.equal(explainMachine(socket), socket)
})

test('an interrupted command exits as shells have it', () => {
  const abort = new AbortController()
  abort.abort()
  assert.deepEqual(explainError(abort.signal.reason, false), { text: 'Interrupted.\n', exitCode: 130 })
})

test('what nobody expected is told with its causes, with -v also where', () => {
  const error = new TypeError('x is not a function', { cause: new Error('deeper') })
  const { text, exitCode } = explainError(error, false)
  assert.equal(exitCode, 10)
  assert.match(text, /^Exiting due to MK_INTERNAL: x is not a function\n {2}cause: deeper\n\n.*-v/)
  assert.match(explainError(error, true).text, /printError\.test\.ts:\d+/)
  assert.match(explainError('a text', false).text, /MK_INTERNAL: a text/)
})

test('a cause that leads back to itself ends', () => {
  const error = new Error('round')
  error.cause = error
  assert.equal(explainError(error, false).text.match(/cause: round/g)?.length, 5)
})

const program = command('minicube', [command('start'), command('image', [command('build'), command('ls', [], ['list'])])])
const usages: readonly [argv: string[], said: string, message: string, hint: string][] = [
  [
    ['strat'],
    "error: unknown command 'strat'\n(Did you mean start?)",
    "unknown command 'strat'\n(Did you mean start?)",
    'To see the commands: minicube --help',
  ],
  [['start', '--nope'], "error: unknown option '--nope'", "unknown option '--nope'", 'To see its flags: minicube start --help'],
  [['-v', 'image', 'build'], 'error: required option', 'required option', 'To see its flags: minicube image build --help'],
  [['image', 'list', '-x'], "error: unknown option '-x'", "unknown option '-x'", 'To see its flags: minicube image ls --help'],
  [
    ['cluster', 'create', 'dev'],
    "error: unknown command 'cluster'",
    "unknown command 'cluster'",
    'Here it is: minicube start --profile NAME',
  ],
  [
    ['create'],
    "error: unknown command 'create'\n(Did you mean tree?)",
    "unknown command 'create'",
    'Here it is: minicube start --profile NAME',
  ],
  [['image', 'import', 'a'], "error: unknown command 'import'", "unknown command 'import'", 'Here it is: minicube image load NAME'],
  [
    ['start', 'dev'],
    "error: too many arguments for 'start'",
    "too many arguments for 'start'",
    'Here it is: minicube start --profile NAME',
  ],
  [['image', 'x'], "error: unknown command 'x'", "unknown command 'x'", 'To see the commands: minicube image --help'],
  [
    ['start', '--cpus', 'many'],
    "error: option '--cpus <n>' argument 'many' is invalid. It must be a number above 0.",
    "option '--cpus <n>' argument 'many' is not valid: it must be a number above 0",
    'To see its flags: minicube start --help',
  ],
]
for (const [argv, said, message, hint] of usages)
  test(`usage: minicube ${argv.join(' ')}`, () => {
    const error = explainUsage(said, argv, program)
    assert.deepEqual([error.message, error.hint, error.exitCode], [message, hint, 14])
  })

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { test } from 'node:test'
import type { Command } from 'commander'
import { completionScript } from './commands/completion.ts'
import type { CliContext } from './context.ts'
import { createProgram } from './program.ts'

function program(): { program: Command; output: () => string } {
  let text = ''
  const stdout = { write: (part: string) => Boolean((text += part)) } as NodeJS.WriteStream
  return { program: createProgram({ stdout } as CliContext), output: () => text }
}

const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]

test('every command and flag is described, and its help fits 80 columns', () => {
  const commands = all(program().program)
  assert.ok(commands.length > 15)
  for (const command of commands) {
    assert.notEqual(command.description(), '', command.name())
    for (const { long, description } of command.options) assert.notEqual(description, '', `${command.name()} ${long}`)
    command.configureOutput({ getOutHelpWidth: () => 80 })
    const long = command
      .helpInformation()
      .split('\n')
      .filter((line) => line.length > 80)
    assert.deepEqual(long, [], command.name())
  }
})

test('commands stand in groups', async () => {
  const { program: asked, output } = program()
  await assert.rejects(asked.parseAsync(['--help'], { from: 'user' }))
  assert.match(output(), /\nThe cluster:\n {2}start .*\nWork in it:\n {2}kubectl .*\nMore:\n {2}version /s)
})

test('a command of commands alone shows them', async () => {
  const { program: asked, output } = program()
  await assert.rejects(asked.parseAsync(['image'], { from: 'user' }), { code: 'commander.help' })
  assert.match(output(), /Usage: minicube image .*build <path>/s)
})

/** What bash offers for a line. */
function offered(words: readonly string[]): string[] {
  const script = `${completionScript('bash', program().program)}\nCOMP_WORDS=(minicube ${words.map((word) => `'${word}'`).join(' ')}); COMP_CWORD=${words.length}; _minicube; echo "\${COMPREPLY[@]}"`
  const { stdout, stderr, status } = spawnSync('bash', ['-c', script], { encoding: 'utf8' })
  assert.equal(status, 0, stderr)
  return stdout.trim().split(' ').filter(Boolean)
}

const lines: readonly [words: string[], want: string[]][] = [
  [['sta'], ['start', 'status']],
  [
    ['image', 'l'],
    ['load', 'ls'],
  ],
  [['-p', 'dev', 'image', 'b'], ['build']],
  [['start', '--me'], ['--memory']],
  [['start', '--cpus', '2', '--keep'], ['--keep-context']],
  [['image', 'build', '--t'], ['--tag']],
  [['ssh', 'ls', ''], []],
]
for (const [words, want] of lines) test(`completion of: ${words.join(' ')}`, () => assert.deepEqual(offered(words), want))

test('there are scripts for zsh and fish', () => {
  assert.match(completionScript('zsh', program().program), /^#compdef minicube\n/)
  const fish = completionScript('fish', program().program)
  assert.match(fish, /-n '__fish_use_subcommand' -a start -d 'create the cluster/)
  assert.match(fish, /-n '__fish_seen_subcommand_from image; and __fish_seen_subcommand_from build' -l tag/)
  assert.throws(() => completionScript('tcsh', program().program), /no completion for the shell "tcsh"/)
})

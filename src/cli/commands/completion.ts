import type { Command } from 'commander'
import { usageError } from '../../cluster/userError.ts'
import type { CliContext } from '../context.ts'

interface Node {
  /** `image build`; '' is the program itself. */
  path: string
  words: readonly string[]
  children: readonly { name: string; description: string }[]
  flags: readonly { long: string; description: string }[]
}

function nodesOf(command: Command, path: readonly string[] = []): Node[] {
  const children = command.commands.map((child) => ({ name: child.name(), description: child.description() }))
  const flags = command.options.flatMap(({ long, description }) => (long ? [{ long, description }] : []))
  const words = [...children.map(({ name }) => name), ...flags.map(({ long }) => long)]
  return [{ path: path.join(' '), words, children, flags }, ...command.commands.flatMap((child) => nodesOf(child, [...path, child.name()]))]
}

/** Flags that the next word belongs to. */
function valueFlags(command: Command): string[] {
  const own = command.options.filter(({ required, optional }) => required || optional).flatMap(({ short, long }) => [short, long])
  return [...new Set([...own.filter((flag) => flag !== undefined), ...command.commands.flatMap(valueFlags)])].sort()
}

function bash(nodes: readonly Node[], withValue: readonly string[]): string {
  const cases = nodes.map(({ path, words }) => `    "${path}") words="${words.join(' ')}" ;;`)
  return `# minicube completion for bash: source <(minicube completion bash)
_minicube() {
  local words path='' word i
  for ((i = 1; i < COMP_CWORD; i++)); do
    word=\${COMP_WORDS[i]}
    case "$word" in
      ${withValue.join('|')}) ((i++)) ;;
      -*) ;;
      *) path="\${path:+$path }$word" ;;
    esac
  done
  case "$path" in
${cases.join('\n')}
    *) words='' ;;
  esac
  COMPREPLY=($(compgen -W "$words" -- "\${COMP_WORDS[COMP_CWORD]}"))
}
complete -o default -F _minicube minicube
`
}

const zsh = (nodes: readonly Node[], withValue: readonly string[]): string =>
  `#compdef minicube\nautoload -U +X bashcompinit && bashcompinit\n${bash(nodes, withValue)}`

function fish(nodes: readonly Node[]): string {
  const quote = (text: string): string => `'${text.replaceAll("'", String.raw`\'`)}'`
  const lines = nodes.flatMap(({ path, children, flags }) => {
    const seen = path.split(' ').map((word) => `__fish_seen_subcommand_from ${word}`)
    const when = path === '' ? '__fish_use_subcommand' : seen.join('; and ')
    return [
      ...children.map(({ name, description }) => `complete -c minicube -f -n '${when}' -a ${name} -d ${quote(description)}`),
      ...flags.map(({ long, description }) => `complete -c minicube -n '${when}' -l ${long.slice(2)} -d ${quote(description)}`),
    ]
  })
  return `# minicube completion for fish: minicube completion fish | source\n${lines.join('\n')}\n`
}

const SHELLS: Record<string, (nodes: readonly Node[], withValue: readonly string[]) => string> = { bash, zsh, fish }

export function completionScript(shell: string, program: Command): string {
  const write = SHELLS[shell]
  if (!write) throw usageError(`there is no completion for the shell "${shell}"`, `Known shells: ${Object.keys(SHELLS).join(', ')}`)
  return write(nodesOf(program), valueFlags(program))
}

export function completion(shell: string, program: Command, { stdout }: CliContext): void {
  stdout.write(completionScript(shell, program))
}

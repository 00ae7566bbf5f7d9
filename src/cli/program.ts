/**
 * The commands and their flags. Each action loads its own file when it runs, so that a quick command stays quick.
 */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { CliContext } from './context.ts'

const collect = (value: string, previous: readonly string[] = []): string[] => [...previous, value]

function positiveNumber(text: string): number {
  const value = Number(text)
  if (!(value > 0)) throw new InvalidArgumentError(`it must be a number above 0`)
  return value
}

function durationMs(text: string): number {
  const match = /^(\d+(?:\.\d+)?)(ms|s|m|h)?$/.exec(text)
  if (!match) throw new InvalidArgumentError('it must be a duration such as 90s or 5m')
  const unit = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000 }[match[2] ?? 's'] as number
  return Number(match[1]) * unit
}

const output = (...choices: string[]): Option => new Option('-o, --output <format>', 'how to print').choices(choices)

export function createProgram(context: CliContext): Command {
  const program = new Command('minicube')
    .description('A real Kubernetes cluster inside one Docker container, ready in seconds.')
    .option('-p, --profile <name>', 'the cluster to work on')
    .option('-v, --verbose', 'say what is done, and show causes of failures')
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({ writeErr: () => {}, writeOut: (text) => void context.stdout.write(text) })
    .showSuggestionAfterError()
    .hook('preAction', (_, action) => {
      const options = action.optsWithGlobals<{ profile?: string; verbose?: boolean; output?: string }>()
      if (options.profile) context.profileOption = options.profile
      context.verbose = options.verbose ?? false
      context.json = options.output === 'json'
    })
  addClusterCommands(program, context)
  addWorkCommands(program, context)
  addImageCommands(program, context)
  addOtherCommands(program, context)
  for (const command of program.commands) inherit(command)
  return program
}

/** Flags that every command takes, before or after its name, and commander's errors as exceptions everywhere. */
function inherit(command: Command): void {
  command.exitOverride().configureOutput({ writeErr: () => {} })
  if (!command.options.some((option) => option.long === '--profile')) command.option('-p, --profile <name>', 'the cluster to work on')
  if (!command.options.some((option) => option.long === '--verbose')) command.option('-v, --verbose', 'say what is done, and show causes of failures')
  for (const child of command.commands) inherit(child)
}

function addClusterCommands(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('create the cluster, or start it again')
    .option('--cpus <n>', 'limit of CPU cores', positiveNumber)
    .option('--memory <size>', 'limit of memory, e.g. 2g or 1500m')
    .option('--publish <[address:]host:node[/protocol]>', 'publish a port of the node on the host; may be repeated', collect)
    .option('--image <name>', 'a node image to use instead of the built one')
    .option('--no-wait', 'return as soon as the API server answers')
    .option('--timeout <duration>', 'how long to wait for the cluster, e.g. 2m', durationMs)
    .option('--keep-context', 'leave kubectl’s current context as it is')
    .option('--retain', 'leave everything as it is when starting fails')
    .option('--no-install', 'do not install a container engine or its tools')
    .addOption(output('text', 'json'))
    .action(async (options) => (await import('./commands/start.ts')).start(options, context))
  program
    .command('stop')
    .description('stop the cluster; everything in it is kept')
    .action(async () => (await import('./commands/stop.ts')).stop(context))
  program
    .command('delete')
    .description('delete the cluster and everything in it')
    .option('--all', 'delete all clusters, and what minicube runs for them')
    .option('--keep-images', 'with --all: keep the images, so that the next start builds nothing')
    .action(async (options) => (await import('./commands/delete.ts')).deleteCommand(options, context))
  program
    .command('status')
    .description('say how the cluster is')
    .addOption(output('text', 'json').default('text'))
    .action(async (options) => (await import('./commands/status.ts')).status(options, context))
  program
    .command('tree')
    .description('show the containers in the container')
    .action(async () => (await import('./commands/tree.ts')).tree(context))
  const profile = program.command('profile').description('the clusters of this machine')
  profile
    .command('list')
    .description('list the clusters')
    .addOption(output('table', 'json').default('table'))
    .action(async (options) => (await import('./commands/profile.ts')).profileList(options, context))
}

function addWorkCommands(program: Command, context: CliContext): void {
  program
    .command('kubectl')
    .description('run kubectl against the cluster: minicube kubectl -- get pods')
    .argument('[args...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: string[]) => (await import('./commands/kubectl.ts')).kubectl(args, context))
  program
    .command('ssh')
    .description('a shell, or one command, in the node: minicube ssh -- ps')
    .argument('[command...]')
    .passThroughOptions()
    .action(async (command: string[]) => (await import('./commands/ssh.ts')).ssh(command, context))
  program
    .command('logs')
    .description('the logs of the node and its components')
    .option('-f, --follow', 'go on printing what comes')
    .option('--component <name>', 'only of one component, e.g. kubelet or kube-apiserver')
    .option('-n, --length <lines>', 'so many lines from the end', positiveNumber)
    .addOption(output('text', 'json').default('text'))
    .action(async (options) => (await import('./commands/logs.ts')).logs(options, context))
  const service = program
    .command('service')
    .description('where a service is reached from the host')
    .argument('[name]')
    .option('-n, --namespace <namespace>', 'namespace of the service', 'default')
    .option('--url', 'print nothing but the addresses')
    .action(async (name: string | undefined, options) => (await import('./commands/service.ts')).service(name, options, context))
  service
    .command('list')
    .description('all services that are reached from the host')
    .option('-n, --namespace <namespace>', 'of one namespace')
    .addOption(output('table', 'json').default('table'))
    .action(async (options) => (await import('./commands/service.ts')).serviceList(options, context))
  program
    .command('ip')
    .description('the address of the node')
    .action(async () => (await import('./commands/ip.ts')).ip(context))
}

function addImageCommands(program: Command, context: CliContext): void {
  const image = program.command('image').description('the images in the cluster')
  image
    .command('load')
    .description('put an image into the cluster: a tar file, - for standard input, or a name of the host’s engine')
    .argument('<image...>')
    .action(async (names: string[]) => (await import('./commands/image.ts')).imageLoad(names, context))
  image
    .command('build')
    .description('build an image in the cluster')
    .argument('<path>', 'the folder with the Dockerfile')
    .requiredOption('-t, --tag <name>', 'its name')
    .option('-f, --file <path>', 'the Dockerfile, relative to the folder')
    .option('--build-arg <name=value>', 'may be repeated', collect)
    .action(async (path: string, options) => (await import('./commands/image.ts')).imageBuild(path, options, context))
  image
    .command('ls')
    .alias('list')
    .description('list the images')
    .option('--format <format>', 'short, table, json or yaml', 'short')
    .action(async (options) => (await import('./commands/image.ts')).imageList(options, context))
  image
    .command('rm')
    .description('remove images')
    .argument('<image...>')
    .action(async (names: string[]) => (await import('./commands/image.ts')).imageRemove(names, context))
}

function addOtherCommands(program: Command, context: CliContext): void {
  program
    .command('version')
    .description('the version of minicube')
    .option('--short', 'the number alone')
    .addOption(output('json', 'yaml'))
    .action(async (options) => (await import('./commands/version.ts')).version(options, context))
  program
    .command('completion')
    .description('a completion script for the shell')
    .argument('<shell>', 'bash, zsh or fish')
    .action(async (shell: string) => (await import('./commands/completion.ts')).completion(shell, program, context))
  program
    .command('control-plane')
    .description('run the API server and controllers alone, without a container engine')
    .argument('[args...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: string[]) => (await import('./commands/controlPlane.ts')).controlPlane(args, context))
}

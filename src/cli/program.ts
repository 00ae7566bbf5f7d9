/**
 * The commands and their flags. Each action loads its own file when it runs, so that a quick command stays quick.
 */
import { type Argument, Command, Option } from 'commander'
import { collect, durationMs, positiveNumber } from './arguments.ts'
import type { CliContext } from './context.ts'

const output = (...choices: string[]): Option => new Option('-o, --output <format>', 'how to print').choices(choices)

export function createProgram(context: CliContext): Command {
  const program = new Command('minicube')
    .description('A real Kubernetes cluster inside one Docker container, ready in seconds.')
    .option('-p, --profile <name>', 'the cluster to work on')
    .option('-v, --verbose', 'say what is done, and show causes of failures')
    // Done in main.ts: with an action of its own, commander would take a misspelt command for an argument.
    .option('--version', 'the version of minicube')
    .helpOption('-h, --help', 'show this help')
    .enablePositionalOptions()
    .addHelpText('after', `\nTo begin: minicube start. The flags of a command: minicube start --help`)
    .hook('preAction', (_, action) => {
      const options = action.optsWithGlobals<{ profile?: string; verbose?: boolean; output?: string }>()
      if (options.profile !== undefined) context.profileOption = options.profile
      context.verbose = options.verbose ?? false
      context.json = options.output === 'json'
    })
  program.commandsGroup('The cluster:')
  addClusterCommands(program, context)
  program.commandsGroup('Work in it:')
  addWorkCommands(program, context)
  addImageCommands(program, context)
  program.commandsGroup('More:')
  addOtherCommands(program, context)
  prepare(program, context)
  for (const command of program.commands) inherit(command, context)
  return program
}

/** Errors come as exceptions, and are printed in one place; help is what was asked for, and goes to standard output. */
function prepare(command: Command, { stdout }: CliContext): void {
  const write = (text: string): void => void stdout.write(text)
  command.exitOverride().configureOutput({ writeOut: write, writeErr: write, outputError: () => {} })
  command.configureHelp({ subcommandTerm: (child) => [child.name(), ...child.registeredArguments.map(argumentTerm)].join(' ') })
  command.showSuggestionAfterError()
  if (command.commands.length > 0) command.helpCommand('help [command]', 'show the help of a command')
}

function argumentTerm(argument: Argument): string {
  const term = argument.variadic ? `${argument.name()}...` : argument.name()
  return argument.required ? `<${term}>` : `[${term}]`
}

/** Commands that no cluster is needed for. */
const WITHOUT_CLUSTER = ['version', 'completion', 'control-plane']

/** Flags that every command takes, before or after its name. */
function inherit(command: Command, context: CliContext): void {
  prepare(command, context)
  command.optionsGroup('Of every command:')
  // The control plane is a program of its own, and tells of its own flags.
  if (command.name() === 'control-plane') command.helpOption(false)
  else command.addHelpOption(new Option('-h, --help', 'show this help').helpGroup('Of every command:'))
  if (!WITHOUT_CLUSTER.includes(command.name())) command.option('-p, --profile <name>', 'the cluster to work on')
  command.option('-v, --verbose', 'say what is done, and show causes of failures')
  for (const child of command.commands) inherit(child, context)
}

function addClusterCommands(program: Command, context: CliContext): void {
  program
    .command('start')
    .description('create the cluster, or start it again')
    .option('--cpus <n>', 'limit of CPU cores', positiveNumber)
    .option('--memory <size>', 'limit of memory, for example 2g or 1500m')
    .option('--publish <ports>', 'publish a port of the node on the host, as [address:]host:node[/udp]; may be repeated', collect)
    .option('-n, --nodes <n>', 'nodes in all, each a container that runs pods', Number)
    .addOption(
      new Option('--ip-family <family>', 'the addresses of pods, services and nodes: IPv4, or IPv4 and IPv6').choices(['ipv4', 'dual']),
    )
    .option('--fake-nodes <n>', 'nodes without a machine, whose pods run without containers', Number)
    .option('--extra-config <component.key=value>', "an option of a component by upstream's name; may be repeated", collect)
    .option('--image <name>', 'a node image to use instead of the built one')
    .addOption(
      new Option('--wait <what>', 'all: until pods can run and names resolve; apiserver or none: until the API answers')
        .choices(['all', 'true', 'apiserver', 'none', 'false'])
        .default('all'),
    )
    .option('--no-wait', 'the same as --wait none')
    .option('--timeout <duration>', 'how long to wait for the cluster, for example 5m (default: 2m)', durationMs)
    .option('--keep-context', 'leave the current context as it is')
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
    .option('-f, --format <template>', 'print fields of each node by a template, for example {{.Host}}')
    .addOption(
      new Option('-l, --layout <layout>', 'nodes: what runs; cluster: states with codes').choices(['nodes', 'cluster']).default('nodes'),
    )
    .option('-w, --watch [interval]', 'go on, and print what has changed; looks every second unless told otherwise', durationMs)
    .addOption(output('text', 'json').default('text'))
    .action(async (options) => (await import('./commands/status.ts')).status(options, context))
  program
    .command('tree')
    .description('show the containers in the container')
    .addOption(output('text', 'json').default('text'))
    .action(async (options) => (await import('./commands/tree.ts')).tree(options, context))
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
    .description('kubectl for the cluster: minicube kubectl -- get pods')
    .argument('[args...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: string[]) => (await import('./commands/kubectl.ts')).kubectl(args, context))
  program
    .command('ssh')
    .description('a shell in the node, or one command in it')
    .argument('[command...]')
    .passThroughOptions()
    .action(async (command: string[]) => (await import('./commands/ssh.ts')).ssh(command, context))
  program
    .command('logs')
    .description('the logs of the node and its components')
    .option('-f, --follow', 'go on printing what comes')
    .option('--component <name>', 'only of one component, for example kubelet or kube-apiserver')
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
    .option('--ipv6', 'its IPv6 address')
    .addOption(output('text', 'json').default('text'))
    .action(async (options) => (await import('./commands/ip.ts')).ip(options, context))
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
    .option('--format <format>', 'short, table, json or yaml; --output is the same')
    .addOption(output('short', 'table', 'json', 'yaml'))
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
    .description('API server and controllers alone, without an engine')
    .argument('[args...]')
    .passThroughOptions()
    .allowUnknownOption()
    .action(async (args: string[]) => (await import('./commands/controlPlane.ts')).controlPlane(args, context))
}

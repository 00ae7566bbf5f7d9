/**
 * minicube's own Docker engine, for Linux hosts that have none: its own data root, socket, bridge, address ranges and pid
 * file, and rules in an nftables table of its own (dockerd's iptables chains are shared by all engines of a host, and each
 * one flushes them when it starts), so that a Docker installed later and this one do not meet.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, open, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { run } from '../../base/exec.ts'
import { isErrorCode, UserError } from '../userError.ts'
import { type EngineAddress, engineGet, engineRequest, OWN_ENGINE, OWN_RUN_DIRECTORY, OWN_SOCKET, pingEngine } from './address.ts'
import { withFileLock } from '../fileLock.ts'
import { findProgram, installPackages, SYSTEM_PATH } from './packages.ts'
import { addressIn, BRIDGE_SUBNETS, freeSubnets, hostRanges } from './subnet.ts'

const DATA = '/var/lib/minicube'
const RUN = OWN_RUN_DIRECTORY
const PATHS = {
  dataRoot: join(DATA, 'engine'),
  bridgeSubnet: join(DATA, 'bridge-subnet'),
  log: join(DATA, 'engine.log'),
  socket: OWN_SOCKET,
  pid: join(RUN, 'docker.pid'),
  config: join(RUN, 'daemon.json'),
  execRoot: join(RUN, 'engine'),
  lock: join(RUN, 'engine.lock'),
}
const BRIDGE = 'minicube0'
const TABLE = 'minicube_engine'
const PACKAGES = ['docker.io', 'nftables', 'iproute2', 'ca-certificates']
const START_TIMEOUT_MS = 30_000
const STOP_TIMEOUT_MS = 20_000
const LOG_LIMIT_BYTES = 10_000_000
const CHECK_EVERY_MS = 20
/** dockerd wants a negative oom_score_adj by default before 24, which needs CAP_SYS_RESOURCE. */
const FIRST_MAJOR_WITHOUT_OOM_SCORE = 24

export interface StartOwnEngineOptions {
  installAllowed: boolean
  /** Asked after packages were installed: on hosts with systemd they start an engine by themselves, which is then the user's. */
  findStarted?(): Promise<EngineAddress | undefined>
  onNotice(message: string): void
  signal: AbortSignal
}

/** Starts it unless it answers already. Concurrent calls start one. */
export async function startOwnEngine(options: StartOwnEngineOptions): Promise<EngineAddress> {
  const { signal } = options
  if ((await pingEngine(OWN_ENGINE, signal)) === undefined) return OWN_ENGINE
  await mkdir(RUN, { recursive: true, mode: 0o755 })
  await mkdir(PATHS.dataRoot, { recursive: true, mode: 0o710 })
  const onWait = (): void => options.onNotice('Waiting for another minicube that is starting the engine')
  return withFileLock({ path: PATHS.lock, onWait, signal }, async () => {
    if ((await pingEngine(OWN_ENGINE, signal)) === undefined) return OWN_ENGINE
    if (!installedDockerd()) {
      const { installAllowed: allowed, onNotice } = options
      await installPackages({ packages: PACKAGES, purpose: "a container engine of minicube's own", allowed, onNotice, signal })
      const started = await options.findStarted?.()
      if (started) return started
    }
    const gateway = await prepareBridge(signal)
    await launch(requireDockerd(), gateway, signal)
    return OWN_ENGINE
  })
}

const installedDockerd = (): string | undefined => (findProgram('nft') && findProgram('ip') ? findProgram('dockerd') : undefined)

function requireDockerd(): string {
  const dockerd = installedDockerd()
  if (!dockerd)
    throw new UserError({
      area: 'DRIVER',
      sort: 'NOT_FOUND',
      message: `dockerd is not there although ${PACKAGES.join(', ')} are installed`,
    })
  return dockerd
}

async function bridgeSubnet(): Promise<string> {
  const before = await readFile(PATHS.bridgeSubnet, 'utf8').catch(() => '')
  const [subnet] = freeSubnets(before ? [before.trim(), ...BRIDGE_SUBNETS] : BRIDGE_SUBNETS, await hostRanges())
  if (!subnet) {
    throw new UserError({
      area: 'IF',
      sort: 'CONFLICT',
      message: `every address range for minicube's bridge is taken on this host: ${BRIDGE_SUBNETS.join(', ')}`,
      hint: 'Free one of them (ip route), or use a Docker engine of your own',
    })
  }
  await writeFile(PATHS.bridgeSubnet, `${subnet}\n`)
  return subnet
}

/** The host's address on the bridge, as `ip -oneline -4 address show dev …` tells it. */
export function addressOnBridge(shown: string): string | undefined {
  return / inet (\d+(?:\.\d+){3})\//.exec(shown)?.[1]
}

/** Answers the host's address on the bridge. */
async function prepareBridge(signal: AbortSignal): Promise<string | undefined> {
  const env = { PATH: SYSTEM_PATH }
  const there = await run('ip', ['link', 'show', BRIDGE], { signal, env }).then(
    () => true,
    () => false,
  )
  if (!there) {
    const subnet = await bridgeSubnet()
    await run('ip', ['-batch', '-'], {
      input: `link add ${BRIDGE} type bridge\naddr add ${addressIn(subnet, 1)}/${subnet.split('/')[1]} dev ${BRIDGE}\nlink set ${BRIDGE} up\n`,
      signal,
      env,
    })
  }
  // Containers reach the world through the host's addresses. "br-*" are the bridges that dockerd makes for its networks.
  await run('nft', ['-f', '-'], {
    input: `table ip ${TABLE}
delete table ip ${TABLE}
table ip ${TABLE} {
  chain postrouting {
    type nat hook postrouting priority srcnat; policy accept;
    iifname { "${BRIDGE}", "mkbr-*" } oifname != { "${BRIDGE}", "mkbr-*", "lo" } masquerade
  }
}
`,
    signal,
    env,
  })
  const { stdout } = await run('ip', ['-oneline', '-4', 'address', 'show', 'dev', BRIDGE], { signal, env })
  return addressOnBridge(stdout)
}

async function dockerdFlags(dockerd: string, gateway: string | undefined, signal: AbortSignal): Promise<string[]> {
  const { stdout } = await run(dockerd, ['--version'], { signal })
  const major = Number(/version (\d+)\./.exec(stdout)?.[1] ?? FIRST_MAJOR_WITHOUT_OOM_SCORE)
  return [
    '--config-file',
    PATHS.config,
    '--host',
    `unix://${PATHS.socket}`,
    '--pidfile',
    PATHS.pid,
    '--data-root',
    PATHS.dataRoot,
    '--exec-root',
    PATHS.execRoot,
    '--bridge',
    BRIDGE,
    '--iptables=false',
    '--ip6tables=false',
    '--live-restore',
    // Without it, an engine that finds containers running as it starts does not know the host's address: "host-gateway" is <nil>.
    ...(gateway ? ['--host-gateway-ip', gateway] : []),
    ...(major < FIRST_MAJOR_WITHOUT_OOM_SCORE ? ['--oom-score-adjust', '0'] : []),
  ]
}

async function launch(dockerd: string, gateway: string | undefined, signal: AbortSignal): Promise<void> {
  // An empty configuration of our own: /etc/docker/daemon.json belongs to another engine.
  await writeFile(PATHS.config, '{}\n')
  if (!(await runningPid())) await rm(PATHS.pid, { force: true })
  const log = await open(PATHS.log, 'a', 0o600)
  try {
    if ((await log.stat()).size > LOG_LIMIT_BYTES) await log.truncate(0)
    const logStart = (await log.stat()).size
    const child = spawn(dockerd, await dockerdFlags(dockerd, gateway, signal), {
      detached: true,
      cwd: '/',
      stdio: ['ignore', log.fd, log.fd],
      env: { ...process.env, PATH: SYSTEM_PATH },
    })
    await once(child, 'spawn')
    let ended = false
    child.once('exit', () => (ended = true))
    child.unref()
    const deadlineMs = Date.now() + START_TIMEOUT_MS
    while ((await pingEngine(OWN_ENGINE, signal)) !== undefined) {
      if (ended || Date.now() > deadlineMs) {
        if (!ended && child.pid) process.kill(child.pid)
        throw await startFailure(ended, logStart)
      }
      await setTimeout(CHECK_EVERY_MS, undefined, { signal })
    }
  } finally {
    await log.close()
  }
}

async function startFailure(ended: boolean, logStart: number): Promise<UserError> {
  const said = (await readFile(PATHS.log)).subarray(logStart).toString().trim().split('\n')
  const lines = said.filter((line) => / level=(error|fatal)|^[^t]/.test(line)).slice(-5)
  return new UserError({
    area: 'DRIVER',
    sort: 'UNAVAILABLE',
    message: `minicube's own engine ${ended ? 'ended' : `did not answer within ${START_TIMEOUT_MS / 1000} s`} while starting:\n${(lines.length > 0 ? lines : said.slice(-3)).join('\n')}`,
    hint: `Its log is ${PATHS.log}`,
  })
}

/** The process in the pid file, if it is our dockerd: after a reboot the number may be anybody's. */
async function runningPid(): Promise<number | undefined> {
  try {
    const pid = Number((await readFile(PATHS.pid, 'utf8')).trim())
    const command = await readFile(`/proc/${pid}/cmdline`, 'utf8')
    return command.includes('dockerd') && command.includes(PATHS.socket) ? pid : undefined
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ESRCH')) return undefined
    throw error
  }
}

async function endProcess(pid: number, signal: AbortSignal): Promise<void> {
  const alive = (): boolean => {
    try {
      return process.kill(pid, 0)
    } catch {
      return false
    }
  }
  const deadlineMs = Date.now() + STOP_TIMEOUT_MS
  if (alive()) process.kill(pid, 'SIGTERM')
  while (alive()) {
    if (Date.now() > deadlineMs) process.kill(pid, 'SIGKILL')
    await setTimeout(CHECK_EVERY_MS, undefined, { signal })
  }
}

export interface StopOwnEngineOptions {
  /** Delete its images and volumes as well. */
  removeData: boolean
  signal: AbortSignal
}

/** Stops it, with everything it made on the host: bridge, rules, and with `removeData` its data. True when there was one. */
export async function stopOwnEngine(options: StopOwnEngineOptions): Promise<boolean> {
  const { signal } = options
  const env = { PATH: SYSTEM_PATH }
  const pid = await runningPid()
  const containerd = await readFile(join(PATHS.execRoot, 'containerd/containerd.pid'), 'utf8').then(Number, () => 0)
  if (pid) {
    await killContainers(signal)
    await endProcess(pid, signal)
  }
  // dockerd takes its containerd along, unless it was killed.
  if (containerd && (await readFile(`/proc/${containerd}/cmdline`, 'utf8').catch(() => '')).includes(PATHS.execRoot))
    await endProcess(containerd, signal)
  const links = findProgram('ip')
    ? await run('ip', ['-o', 'link', 'show', 'type', 'bridge'], { signal, env }).catch(() => ({ stdout: '' }))
    : { stdout: '' }
  for (const [, link = ''] of links.stdout.matchAll(/^\d+: (minicube0|mkbr-[^:@]+)[:@]/gm))
    await run('ip', ['link', 'delete', link], { signal, env })
  if (findProgram('nft')) await run('nft', ['-f', '-'], { input: `table ip ${TABLE}\ndelete table ip ${TABLE}\n`, signal, env })
  if (pid || options.removeData) {
    await unmountLeftovers(signal)
    await removeDirectory(RUN)
  }
  if (options.removeData) await removeDirectory(DATA)
  return pid !== undefined
}

/** Its containers outlive a dockerd that ends (live-restore): not this time. */
async function killContainers(signal: AbortSignal): Promise<void> {
  if ((await pingEngine(OWN_ENGINE, signal)) !== undefined) return
  const containers = (await engineGet(OWN_ENGINE, '/containers/json', signal)) as { Id: string }[]
  for (const { Id } of containers) {
    await engineRequest(OWN_ENGINE, 'POST', `/containers/${Id}/kill`, signal).catch((error: unknown) => {
      if (signal.aborted) throw error
    })
  }
}

/**
 * What the engine leaves mounted: its data root, which dockerd mounts onto itself and with live-restore leaves so, and things
 * below that and below the run directory. Never the run directory: a mount there is somebody else's, and may hide another's files.
 */
export function engineMounts(mounts: string): string[] {
  return mounts
    .split('\n')
    .map((line) => line.split(' ')[1] ?? '')
    .filter((target) => target === PATHS.dataRoot || target.startsWith(`${PATHS.dataRoot}/`) || target.startsWith(`${RUN}/`))
}

async function unmountLeftovers(signal: AbortSignal): Promise<void> {
  const targets = engineMounts(await readFile('/proc/self/mounts', 'utf8').catch(() => ''))
  // One may be listed twice or be gone by now; what is still mounted fails the removal that follows.
  for (const target of targets.toReversed()) {
    await run('umount', ['-l', target], { signal, env: { PATH: SYSTEM_PATH } }).catch((error: unknown) => {
      if (signal.aborted) throw error
    })
  }
}

/** A directory that is itself a mount is only emptied. */
async function removeDirectory(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true }).catch((error: unknown) => {
    if (!isErrorCode(error, 'EBUSY') || (error as NodeJS.ErrnoException).path !== path) throw error
  })
}

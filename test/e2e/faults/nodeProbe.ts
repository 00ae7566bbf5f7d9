/**
 * Runs inside the node (its text is given to the node's own `node`) and prints what is there, as JSON: the engine's
 * containers, the pods' links, directories, mounts and cgroups, and what services and cluster DNS answer.
 * Arguments: URLs to fetch, `dns:NAME` to resolve.
 */
import { Resolver } from 'node:dns/promises'
import { existsSync, readdirSync, readFileSync, statfsSync } from 'node:fs'
import { request } from 'node:http'

export interface ProbedContainer {
  id: string
  kind: 'sandbox' | 'container'
  podUid: string
  name: string
  ips: string[]
  /** 0 when it does not run, -1 for a sandbox that lives without a process. */
  pid: number
}

export interface NodeView {
  containers: ProbedContainer[]
  /** Names of the pods' network devices. */
  links: string[]
  /** Sandboxes that are kept ready, each with a link, and belong to no pod yet. */
  spares: number
  /** Pod uids that have a directory, a mount, a cgroup. */
  directories: string[]
  mounts: string[]
  cgroups: string[]
  pids: Record<'node' | 'dockerd' | 'containerd', number>
  answers: Record<string, string>
}

interface Row {
  Id: string
  Labels: Record<string, string>
  State: string
}

const TIMEOUT_MS = 2000
const PODS = '/var/lib/kubelet/pods'
const RECORDS = '/var/lib/kubelet/sandboxes'
const NAMESPACES = '/run/minicube/sandboxes'
const NAMESPACE_FILE_TYPE = 0x6e736673
const CGROUPS = '/sys/fs/cgroup'
const CLUSTER_DNS = '10.96.0.10'

function engine(path: string): Promise<unknown> {
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const call = request({ socketPath: '/run/docker.sock', path, timeout: 10_000 }, (response) => {
    let text = ''
    response.setEncoding('utf8')
    response.on('data', (part: string) => (text += part))
    response.on('end', () => (response.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(`${path}: ${text}`))))
  })
  call.on('timeout', () => call.destroy(new Error(`${path}: no answer`)))
  call.on('error', reject)
  call.end()
  return promise
}

async function containers(): Promise<ProbedContainer[]> {
  const rows = (await engine('/containers/json?all=1')) as Row[]
  const pidOf = async (id: string): Promise<number> => ((await engine(`/containers/${id}/json`)) as { State: { Pid: number } }).State.Pid
  return Promise.all(
    rows.map(async ({ Id, Labels, State }) => ({
      id: Id,
      kind: Labels['io.minicube.kind'] as ProbedContainer['kind'],
      podUid: Labels['io.minicube.pod.uid'] ?? '',
      name: Labels['io.minicube.container.name'] ?? '',
      ips: (Labels['io.minicube.ips'] ?? '').split(',').filter((ip) => ip !== ''),
      pid: State === 'running' ? await pidOf(Id) : 0,
    })),
  )
}

const list = (path: string): string[] => (existsSync(path) ? readdirSync(path) : [])

/** Sandboxes whose namespaces are pinned. */
function pinned(): ProbedContainer[] {
  return list(RECORDS)
    .filter((name) => name.endsWith('.json'))
    .map((name) => {
      const { podUid, ips } = JSON.parse(readFileSync(`${RECORDS}/${name}`, 'utf8')) as { podUid: string; ips: string[] }
      const id = name.slice(0, -'.json'.length)
      return { id, kind: 'sandbox', podUid, name: '', ips, pid: isNamespace(`${NAMESPACES}/${id}/net`) ? -1 : 0 }
    })
}

function isNamespace(path: string): boolean {
  return existsSync(path) && statfsSync(path).type === NAMESPACE_FILE_TYPE
}

function podCgroups(): string[] {
  const roots = existsSync(`${CGROUPS}/cgroup.controllers`) ? [CGROUPS] : list(CGROUPS).map((name) => `${CGROUPS}/${name}`)
  const parents = roots.flatMap((root) => ['kubepods', 'kubepods/burstable', 'kubepods/besteffort'].map((parent) => `${root}/${parent}`))
  const groups = parents.flatMap((parent) => list(parent).filter((name) => name.startsWith('pod')))
  return [...new Set(groups.map((name) => name.slice('pod'.length)))]
}

function podMounts(): string[] {
  const targets = readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
  return [
    ...new Set(
      targets.filter((target) => target.startsWith(`${PODS}/`)).map((target) => target.slice(PODS.length + 1).split('/')[0] ?? ''),
    ),
  ]
}

async function answerOf(target: string): Promise<string> {
  try {
    if (!target.startsWith('dns:')) return (await (await fetch(target, { signal: AbortSignal.timeout(TIMEOUT_MS) })).text()).trim()
    const resolver = new Resolver({ timeout: TIMEOUT_MS, tries: 1 })
    resolver.setServers([CLUSTER_DNS])
    return (await resolver.resolve4(target.slice('dns:'.length))).join(',')
  } catch (error) {
    return `error: ${String(error)}`
  }
}

const pidOf = (name: string): number => Number(readFileSync(`/run/minicube/${name}.pid`, 'utf8'))

const sandboxes = pinned()
const view: NodeView = {
  containers: [...(await containers()), ...sandboxes],
  spares: list(NAMESPACES).filter((id) => !sandboxes.some((sandbox) => sandbox.id === id)).length,
  links: list('/sys/class/net').filter((name) => /^pod[0-9a-f]{8}$/.test(name)),
  directories: list(PODS),
  mounts: podMounts(),
  cgroups: podCgroups(),
  pids: { node: pidOf('node'), dockerd: pidOf('dockerd'), containerd: pidOf('containerd') },
  answers: Object.fromEntries(await Promise.all(process.argv.slice(2).map(async (target) => [target, await answerOf(target)] as const))),
}
console.log(JSON.stringify(view))

/**
 * Further nodes of a cluster (`start --nodes N`): containers beside the first one, named as minikube names them
 * (`minicube-m02`), which run pods and join its control plane. What they may do there is what a kubelet and kube-proxy may.
 */
import { existsSync } from 'node:fs'
import type Docker from 'dockerode'
import tar from 'tar-stream'
import { clusterrolebindings, clusterroles } from '../api/kinds/rbac/v1.ts'
import { isAlreadyExists } from '../api/status.ts'
import { Client } from '../client/client.ts'
import { HttpsTransport } from '../client/https.ts'
import { followBoot } from './bootLog.ts'
import type { Credentials } from './credentials.ts'
import type { Engine, EngineInfo } from './engine/engine.ts'
import { API_SERVER_PORT, PROFILE_LABEL, WORKER_LABEL, workerNames } from './names.ts'
import { chooseNodeIP, keptByOthers } from './network.ts'
import { checkOwned, containerSpec, inspectNode } from './nodeContainer.ts'
import { outputInNode } from './nodeStream.ts'
import type { ProfileConfig } from './profile.ts'
import { removeNode } from './removeNode.ts'

const CREDENTIALS_FILE = 'node-credentials.json'
const STATE_DIR = '/var/lib/minicube'
const NODE_PROGRAM = '/usr/lib/minicube/node-process'
/** Beside what kubelets and kube-proxy may do everywhere. */
const FURTHER_RIGHTS = [
  {
    // kube-proxy's own role knows services and nodes; network policies are about pods and namespaces.
    name: 'minicube:node-network',
    rules: [
      { apiGroups: [''], resources: ['namespaces', 'pods'], verbs: ['list', 'watch'] },
      { apiGroups: ['networking.k8s.io'], resources: ['networkpolicies'], verbs: ['list', 'watch'] },
    ],
    subject: { kind: 'User', name: 'system:kube-proxy' },
  },
  {
    // A node removes the volumes of the default storage class that it has itself.
    name: 'minicube:node-volumes',
    rules: [{ apiGroups: [''], resources: ['persistentvolumes'], verbs: ['list', 'watch', 'delete'] }],
    subject: { kind: 'Group', name: 'system:nodes' },
  },
]

/** The containers of the workers that there are, running or not. */
export async function listWorkers(engine: Engine, profile: string): Promise<Docker.Container[]> {
  const label = [`${PROFILE_LABEL}=${profile}`, `${WORKER_LABEL}=true`]
  const found = await engine.docker.listContainers({ all: true, filters: { label } })
  return found.toSorted((a, b) => ((a.Names[0] ?? '') < (b.Names[0] ?? '') ? -1 : 1)).map(({ Id }) => engine.docker.getContainer(Id))
}

export interface AddWorkersOptions {
  engine: Engine
  info: EngineInfo
  profile: ProfileConfig
  credentials: Credentials
  env: NodeJS.ProcessEnv
  /** minicube's folder on the host. */
  home: string
  onProgress(detail: string): void
  signal: AbortSignal
}

/** Makes and starts the workers that are missing, and resolves when all of them are Ready. */
export async function ensureWorkers(options: AddWorkersOptions): Promise<void> {
  const names = workerNames(options.profile)
  if (names.length === 0) return
  await allowNodeComponents(options.credentials, options.signal)
  for (const name of names) {
    options.onProgress(name)
    await ensureWorker(name, options)
  }
}

async function ensureWorker(name: string, options: AddWorkersOptions): Promise<void> {
  const { engine, profile, signal } = options
  const state = await inspectNode(engine.address, name, signal)
  if (state) checkOwned(state, profile.name, options.home)
  const isStale = state !== undefined && !state.running && state.image !== profile.image
  const container = engine.docker.getContainer(name)
  if (isStale) await container.remove({ force: true })
  if (!state || isStale) await createWorker(name, options)
  if (state?.paused) await container.unpause()
  else if (!state?.running) await container.start()
  const { startedAt } = (await inspectNode(engine.address, name, signal)) ?? { startedAt: '' }
  const boot = await followBoot(container, startedAt)
  try {
    await boot.waitFor('ready', signal)
  } finally {
    boot.close()
  }
}

async function createWorker(name: string, { engine, info, profile, env, home, signal }: AddWorkersOptions): Promise<void> {
  const taken = new Set([...(await keptByOthers(engine, '')).nodeIPs, profile.network.nodeIP])
  const nodeIP = chooseNodeIP(profile.network.subnet, taken)
  const kernelModules = !info.local || existsSync('/lib/modules')
  const worker = { name, nodeIP, controlPlaneUrl: `https://${profile.network.nodeIP}:${API_SERVER_PORT}` }
  const container = await engine.docker.createContainer(
    containerSpec({ profile, mode: profile.containerMode, engine: info, kernelModules, env, home, worker }),
  )
  const text = await outputInNode(engine.docker.getContainer(profile.name), [NODE_PROGRAM, '--node-credentials', name, nodeIP], signal)
  await putCredentials(container, text)
}

/** Only root of the node can read it. */
async function putCredentials(container: Docker.Container, text: string): Promise<void> {
  const pack = tar.pack()
  pack.entry({ name: STATE_DIR.slice(1), type: 'directory', mode: 0o700 })
  pack.entry({ name: `${STATE_DIR.slice(1)}/${CREDENTIALS_FILE}`, mode: 0o600 }, text)
  pack.finalize()
  await container.putArchive(pack as unknown as NodeJS.ReadableStream, { path: '/' })
}

async function allowNodeComponents({ server, ca, cert, key }: Credentials, signal: AbortSignal): Promise<void> {
  const transport = new HttpsTransport({ server, ca, cert, key, userAgent: 'minicube' })
  const client = new Client(transport)
  const unlessThere = (error: unknown): void => {
    if (!isAlreadyExists(error)) throw error
  }
  const { group: apiGroup, kind } = clusterroles
  try {
    for (const { name, rules, subject } of FURTHER_RIGHTS) {
      const metadata = { name }
      const binding = { metadata, roleRef: { apiGroup, kind, name }, subjects: [{ apiGroup, ...subject }] }
      await client.create(clusterroles, { metadata, rules }, { signal }).then(() => {}, unlessThere)
      await client.create(clusterrolebindings, binding, { signal }).then(() => {}, unlessThere)
    }
  } finally {
    transport.close()
  }
}

/** In order, beside one another; the first node is stopped after them. */
export async function stopWorkers(engine: Engine, profile: string, order: { t: number; abortSignal: AbortSignal }): Promise<void> {
  const containers = await listWorkers(engine, profile)
  await Promise.all(containers.map((container) => container.stop(order).catch(unlessStopped)))
}

function unlessStopped(error: unknown): void {
  if (!(error instanceof Error && 'statusCode' in error && error.statusCode === 304)) throw error
}

/** Containers and volumes. */
export async function removeWorkers(engine: Engine, profile: string): Promise<void> {
  const names = await Promise.all((await listWorkers(engine, profile)).map(async (container) => (await container.inspect()).Name.slice(1)))
  await Promise.all(names.map((name) => removeNode(engine, name)))
}

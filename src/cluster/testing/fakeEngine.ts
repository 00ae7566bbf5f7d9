/** A container engine of a few canned answers on a Unix socket, and a home that knows of one cluster in it: for tests of commands. */
import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { PROFILE_LABEL } from '../names.ts'
import { writeProfile } from '../profile.ts'

export const PROFILE = 'dev'

type Answer = object | Buffer | ((request: IncomingMessage, response: ServerResponse) => void)

export interface FakeCluster {
  /** For commands: it leads to the home and the engine. */
  env: NodeJS.ProcessEnv
  home: string
  /** By path, without the query: an object is sent as JSON, bytes as they are. Anything else is answered 404. */
  answers: Map<string, Answer>
  /** `METHOD /path` of what came in, in order. */
  requests: string[]
}

/** As the engine multiplexes what a program prints. */
export function frame(text: string): Buffer {
  const payload = Buffer.from(text)
  const header = Buffer.alloc(8)
  header[0] = 1
  header.writeUInt32BE(payload.length, 4)
  return Buffer.concat([header, payload])
}

export const RUNNING_NODE = {
  Id: 'abc',
  State: { Running: true, Restarting: false, Paused: false, Status: 'running', ExitCode: 0, StartedAt: '2026-11-24T00:00:00Z' },
  Config: { Image: 'minicube/node:test', Labels: { [PROFILE_LABEL]: PROFILE } },
  NetworkSettings: { Networks: { minicube: { IPAddress: '192.168.201.10' } } },
}

export const ENGINE_INFO = {
  Architecture: 'x86_64',
  OperatingSystem: 'Debian',
  ServerVersion: '26.1.5',
  CgroupVersion: '2',
  NCPU: 2,
  MemTotal: 2 ** 33,
  KernelVersion: 'of another kernel',
}

export async function withFakeCluster(work: (cluster: FakeCluster) => Promise<void>): Promise<void> {
  const home = await mkdtemp(join(tmpdir(), 'minicube-fake-'))
  const socket = join(home, 'engine.sock')
  const requests: string[] = []
  const answers = new Map<string, Answer>([
    ['/_ping', Buffer.from('OK')],
    ['/info', ENGINE_INFO],
    ['/version', { Version: '26.1.5', ApiVersion: '1.45' }],
    [`/containers/${PROFILE}/json`, RUNNING_NODE],
  ])
  const server = createServer((request, response) => {
    const path = (request.url ?? '').split('?')[0] as string
    requests.push(`${request.method} ${path}`)
    const answer = answers.get(path) ?? { message: `nothing at ${path}` }
    if (typeof answer === 'function') return answer(request, response)
    const isBytes = answer instanceof Buffer
    response.writeHead(answers.has(path) ? 200 : 404, { 'content-type': isBytes ? 'application/octet-stream' : 'application/json' })
    response.end(isBytes ? answer : JSON.stringify(answer))
  })
  server.listen(socket)
  await once(server, 'listening')
  try {
    await writeProfile(home, profileAt(`unix://${socket}`))
    const env = { MINICUBE_HOME: home, KUBECONFIG: join(home, 'kubeconfig'), DOCKER_HOST: `unix://${socket}`, MINICUBE_PROFILE: PROFILE }
    await work({ env, home, answers, requests })
  } finally {
    server.closeAllConnections()
    server.close()
    await rm(home, { recursive: true, force: true })
  }
}

function profileAt(engineHost: string): Parameters<typeof writeProfile>[1] {
  return {
    name: PROFILE,
    createdAt: '2026-11-24T00:00:00Z',
    kubernetesVersion: 'v1.36.2',
    engineHost,
    image: 'minicube/node:test',
    imagePinned: false,
    containerMode: 'privileged',
    network: { name: 'minicube', subnet: '192.168.201.0/24', nodeIP: '192.168.201.10' },
    hostApiPort: 1,
    publish: [],
    serviceClusterIpRange: '10.96.0.0/16',
    podCidr: '10.244.0.0/16',
    clusterDns: '10.96.0.10',
    clusterDomain: 'cluster.local',
  }
}

/**
 * Drives the built product as a user does: the real launcher, the real kubectl, a real engine. Every test cluster has a
 * profile, a home and a kubeconfig of its own; nothing of the user's is read or written.
 */
import { spawn, spawnSync, type ChildProcess } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { findTool } from '../../src/cluster/kubernetesTools.ts'
import { atEnd } from '../ending.ts'
import { markOwn, removeLeftovers } from './leftovers.ts'

export const ROOT = join(import.meta.dirname, '../..')
const MINICUBE = join(ROOT, 'bin/minicube')

export interface Result {
  code: number
  stdout: string
  stderr: string
  elapsedMs: number
}

export interface RunOptions {
  input?: string
  env?: NodeJS.ProcessEnv
  timeoutMs?: number
  /** Answer a failure instead of throwing. */
  mayFail?: boolean
  cwd?: string
}

const DEFAULT_TIMEOUT_MS = 120_000
const LAST_DELETE_TIMEOUT_MS = 60_000

export async function run(file: string, args: readonly string[], options: RunOptions = {}): Promise<Result> {
  const startedMs = performance.now()
  const child = spawn(file, args, {
    cwd: options.cwd ?? ROOT,
    env: { ...process.env, ...options.env },
    stdio: ['pipe', 'pipe', 'pipe'],
    timeout: options.timeoutMs ?? DEFAULT_TIMEOUT_MS,
    killSignal: 'SIGKILL',
  })
  const ended = atEnd(() => child.kill('SIGTERM'))
  child.stdin.on('error', () => {})
  child.stdin.end(options.input ?? '')
  const [stdout, stderr, code] = await Promise.all([collect(child.stdout), collect(child.stderr), exitCode(child)]).finally(ended)
  const result = { code, stdout, stderr, elapsedMs: performance.now() - startedMs }
  if (code !== 0 && !options.mayFail) throw new Error(`${file} ${args.join(' ')} exited with ${code}\n${stdout}${stderr}`)
  return result
}

async function collect(stream: NodeJS.ReadableStream): Promise<string> {
  let text = ''
  stream.setEncoding('utf8')
  for await (const chunk of stream) text += String(chunk)
  return text
}

function exitCode(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve(code ?? 137))
  })
}

/** Asks again until `check` answers something, for what has no event to wait for from outside. */
export async function eventually<T>(what: string, check: () => Promise<T | undefined | false>, timeoutMs = 30_000): Promise<T> {
  const untilMs = performance.now() + timeoutMs
  let last: unknown
  for (;;) {
    try {
      const found = await check()
      if (found !== undefined && found !== false) return found
    } catch (error) {
      last = error
    }
    if (performance.now() > untilMs) throw new Error(`waited ${timeoutMs} ms in vain: ${what}`, { cause: last })
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export interface Cluster {
  profile: string
  home: string
  kubeconfig: string
  env: NodeJS.ProcessEnv
  minicube(args: readonly string[], options?: RunOptions): Promise<Result>
  kubectl(args: readonly string[], options?: RunOptions): Promise<Result>
  helm(args: readonly string[], options?: RunOptions): Promise<Result>
  /** Runs a long command; the caller kills it. */
  spawnKubectl(args: readonly string[]): Promise<ChildProcess>
  apply(manifest: string | object | readonly object[]): Promise<Result>
  /** `kubectl get … -o json`, parsed. */
  get<T = Record<string, unknown>>(...args: string[]): Promise<T>
  /** Deletes the cluster and the folders. */
  remove(): Promise<void>
}

/** A cluster that is not started yet. */
export async function newCluster(profile: string): Promise<Cluster> {
  await removeLeftovers(profile, tmpdir())
  const home = await mkdtemp(join(tmpdir(), `${profile}-`))
  await markOwn(home)
  const kubeconfig = join(home, 'kubeconfig')
  const env = { MINICUBE_HOME: join(home, '.minicube'), KUBECONFIG: kubeconfig, MINICUBE_PROFILE: profile, HOME: home }
  const kubectlPath = await findTool('kubectl')
  const helmPath = await findTool('helm')
  const removed = atEnd(() => {
    spawnSync(MINICUBE, ['delete'], { env: { ...process.env, ...env }, stdio: 'ignore', timeout: LAST_DELETE_TIMEOUT_MS })
    rmSync(home, { recursive: true, force: true })
  })
  const withEnv = (options: RunOptions = {}): RunOptions => ({ ...options, env: { ...env, ...options.env } })
  const kubectl: Cluster['kubectl'] = (args, options) => run(kubectlPath, args, withEnv(options))
  return {
    profile,
    home,
    kubeconfig,
    env,
    minicube: (args, options) => run(MINICUBE, args, withEnv(options)),
    kubectl,
    helm: (args, options) => run(helmPath, args, withEnv(options)),
    spawnKubectl: async (args) => spawn(kubectlPath, args, { env: { ...process.env, ...env }, stdio: ['pipe', 'pipe', 'pipe'] }),
    apply(manifest) {
      const list = { apiVersion: 'v1', kind: 'List', items: Array.isArray(manifest) ? manifest : [manifest] }
      return kubectl(['apply', '-f', '-'], { input: typeof manifest === 'string' ? manifest : JSON.stringify(list) })
    },
    get: async <T>(...args: string[]) => JSON.parse((await kubectl(['get', ...args, '-o', 'json'])).stdout) as T,
    async remove() {
      await run(MINICUBE, ['delete'], withEnv({ mayFail: true }))
      await rm(home, { recursive: true, force: true })
      removed()
    },
  }
}

export async function startedCluster(profile: string, args: readonly string[] = []): Promise<Cluster> {
  const cluster = await newCluster(profile)
  try {
    await cluster.minicube(['start', ...args], { timeoutMs: 600_000 })
  } catch (error) {
    await cluster.remove()
    throw error
  }
  return cluster
}

export const BUSYBOX = 'minicube/busybox:1.37'

/** A Deployment of a web server that answers with its pod's name (and `version`). */
export function webDeployment(name: string, replicas: number, version = '1'): object {
  const script = `mkdir -p /www/cgi-bin && printf '#!/bin/sh\\nprintf "Content-Type: text/plain\\\\r\\\\n\\\\r\\\\n%%s ${version}\\\\n" "$(hostname)"\\n' > /www/cgi-bin/who && chmod +x /www/cgi-bin/who && exec httpd -f -p 8080 -h /www`
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name },
    spec: {
      replicas,
      selector: { matchLabels: { app: name } },
      template: {
        metadata: { labels: { app: name } },
        spec: {
          terminationGracePeriodSeconds: 3,
          containers: [
            {
              name: 'web',
              image: BUSYBOX,
              command: ['sh', '-c', script],
              ports: [{ name: 'http', containerPort: 8080 }],
              readinessProbe: { httpGet: { path: '/cgi-bin/who', port: 'http' }, periodSeconds: 1 },
              lifecycle: { preStop: { sleep: { seconds: 1 } } },
            },
          ],
        },
      },
    },
  }
}

export function webService(name: string, type: 'ClusterIP' | 'NodePort' | 'LoadBalancer' = 'ClusterIP'): object {
  return {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name },
    spec: { type, selector: { app: name }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] },
  }
}

export function shellPod(name: string, script: string, spec: object = {}): object {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, labels: { app: name } },
    spec: { terminationGracePeriodSeconds: 1, containers: [{ name: 'shell', image: BUSYBOX, command: ['sh', '-c', script] }], ...spec },
  }
}

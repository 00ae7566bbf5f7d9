/** HTTP extenders: other programs that filter nodes, score them, choose victims or bind pods (k8s.io/kube-scheduler/extender/v1). */
import { request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Node, Pod } from '../api/kinds/core/v1.ts'
import type { Logger } from '../base/logger.ts'
import type { ExtenderConfiguration } from './configuration/extenders.ts'
import { extenderTls, type TlsOptions } from './extenderTls.ts'
import type { View } from './framework.ts'
import type { NodeInfo } from './nodeInfo.ts'
import type { PodInfo } from './podInfo.ts'
import type { Victims } from './preemption.ts'
import type { ExtenderFailure, Extenders } from './schedulePod.ts'

/** Extenders score to 10, the scheduler to 100. */
const SCORE_SCALE = 10
const MAX_ANSWER_BYTES = 64 * 2 ** 20

type Json = Readonly<Record<string, unknown>>

/** Upstream reads members whatever their case, and extenders make use of it. */
function member(object: unknown, name: string): unknown {
  if (typeof object !== 'object' || object === null) return undefined
  const found = Object.entries(object).find(([key]) => key.toLowerCase() === name.toLowerCase())
  return found?.[1]
}

const texts = (map: unknown): [string, string][] =>
  typeof map === 'object' && map !== null ? Object.entries(map).map(([key, value]) => [key, String(value)]) : []

export interface ExtendersOptions {
  configurations: readonly ExtenderConfiguration[]
  view: View
  log: Logger
  signal: AbortSignal
}

export interface HttpExtenders extends Extenders {
  processPreemption(pod: Pod, candidates: readonly Victims[]): Promise<readonly Victims[]>
  readonly hasPreemption: boolean
  /** The one that binds this pod, if one does; it answers whether it did. */
  binder(info: PodInfo): ((pod: Pod, nodeName: string) => Promise<boolean>) | undefined
}

/** What extenders take care of themselves, so that NodeResourcesFit leaves it alone. */
export function resourcesIgnoredByScheduler(configurations: readonly ExtenderConfiguration[]): string[] {
  return configurations.flatMap(({ managedResources }) => managedResources.filter((r) => r.ignoredByScheduler).map(({ name }) => name))
}

/** As Go's client tells it. */
function whyUnanswered(error: Error & { code?: string; address?: string; port?: number }): string {
  if (error.name === 'TimeoutError' || error.name === 'AbortError')
    return 'context deadline exceeded (Client.Timeout exceeded while awaiting headers)'
  if (error.code === 'ECONNREFUSED') return `dial tcp ${error.address}:${error.port}: connect: connection refused`
  return error.code === 'ECONNRESET' ? 'EOF' : error.message
}

function post(configuration: ExtenderConfiguration, tls: TlsOptions, verb: string, body: Json, signal: AbortSignal): Promise<unknown> {
  const { urlPrefix, timeoutMs } = configuration
  const url = new URL(`${urlPrefix.replace(/\/+$/, '')}/${verb}`)
  const text = JSON.stringify(body)
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  const isHttps = url.protocol === 'https:'
  const send = isHttps ? httpsRequest : httpRequest
  const request = send(
    url,
    {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(text) },
      signal: AbortSignal.any([signal, AbortSignal.timeout(timeoutMs)]),
      ...(isHttps && tls),
    },
    (response) => {
      const chunks: Buffer[] = []
      let size = 0
      response.on('data', (chunk: Buffer) => {
        size += chunk.length
        if (size > MAX_ANSWER_BYTES) request.destroy(new Error(`answer of ${url.href} is too long`))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        if (response.statusCode !== 200)
          return reject(new Error(`failed ${verb} with extender at URL ${url.href}, code ${response.statusCode}`))
        try {
          resolve(JSON.parse(Buffer.concat(chunks).toString() || 'null'))
        } catch (cause) {
          reject(new Error(`answer of ${url.href} is not JSON`, { cause }))
        }
      })
    },
  )
  request.on('error', (cause) => reject(new Error(`Post "${url.href}": ${whyUnanswered(cause)}`, { cause })))
  request.end(text)
  return promise
}

class Extender {
  readonly configuration: ExtenderConfiguration
  readonly #options: ExtendersOptions
  readonly #tls: () => TlsOptions

  constructor(configuration: ExtenderConfiguration, options: ExtendersOptions) {
    this.configuration = configuration
    this.#tls = extenderTls(configuration)
    this.#options = options
  }

  isInterested({ pod }: Pick<PodInfo, 'pod'>): boolean {
    const { managedResources } = this.configuration
    if (managedResources.length === 0) return true
    const containers = [...(pod.spec.initContainers ?? []), ...pod.spec.containers]
    return containers.some(({ resources }) =>
      managedResources.some(({ name }) => resources?.requests?.[name] !== undefined || resources?.limits?.[name] !== undefined),
    )
  }

  #nodes(nodes: readonly NodeInfo[]): Json {
    return this.configuration.nodeCacheCapable
      ? { Nodes: null, NodeNames: nodes.map(({ name }) => name) }
      : { Nodes: { metadata: {}, items: nodes.map(({ node }) => node) }, NodeNames: null }
  }

  async #post(verb: string, body: Json): Promise<unknown> {
    return post(this.configuration, this.#tls(), verb, body, this.#options.signal)
  }

  async filter({ pod }: PodInfo, nodes: readonly NodeInfo[]): Promise<{ feasible: NodeInfo[]; failures: [string, ExtenderFailure][] }> {
    const answer = await this.#post(this.configuration.filterVerb as string, { Pod: pod, ...this.#nodes(nodes) })
    const error = member(answer, 'Error')
    if (typeof error === 'string' && error) throw new Error(error)
    const names = member(answer, 'NodeNames')
    const items = member(member(answer, 'Nodes'), 'items')
    const isByName = this.configuration.nodeCacheCapable && Array.isArray(names)
    const kept = new Set<unknown>(isByName ? names : Array.isArray(items) ? (items as Node[]).map(({ metadata }) => metadata.name) : [])
    const given = new Set<unknown>(nodes.map(({ name }) => name))
    const strange = isByName ? [...kept].find((name) => !given.has(name)) : undefined
    if (strange !== undefined) {
      const whose = `extender ${JSON.stringify(this.configuration.urlPrefix)} claims a filtered node`
      throw new Error(`${whose} ${JSON.stringify(strange)} which is not found in the input node list`)
    }
    const failed = texts(member(answer, 'FailedNodes')).map(([name, reason]) => [name, { reason, isResolvable: true }] as const)
    const hopeless = texts(member(answer, 'FailedAndUnresolvableNodes')).map(
      ([name, reason]) => [name, { reason, isResolvable: false }] as const,
    )
    return { feasible: nodes.filter(({ name }) => kept.has(name)), failures: [...failed, ...hopeless].map(([name, f]) => [name, f]) }
  }

  async prioritize({ pod }: PodInfo, nodes: readonly NodeInfo[]): Promise<[string, number][]> {
    const answer = await this.#post(this.configuration.prioritizeVerb as string, { Pod: pod, ...this.#nodes(nodes) })
    if (!Array.isArray(answer)) return []
    return answer.map((item) => [
      String(member(item, 'Host')),
      Number(member(item, 'Score') ?? 0) * this.configuration.weight * SCORE_SCALE,
    ])
  }

  async preempt(pod: Pod, candidates: readonly Victims[]): Promise<Victims[]> {
    const { nodeCacheCapable, preemptVerb, isIgnorable } = this.configuration
    const meta = (victims: Victims): Json => ({
      Pods: victims.pods.map(({ metadata }) => ({ UID: metadata.uid })),
      NumPDBViolations: victims.violations,
    })
    const byNode = (of: (victims: Victims) => Json): Json =>
      Object.fromEntries(candidates.map((victims) => [victims.nodeName, of(victims)]))
    const body = nodeCacheCapable
      ? { Pod: pod, NodeNameToVictims: null, NodeNameToMetaVictims: byNode(meta) }
      : {
          Pod: pod,
          NodeNameToVictims: byNode((v) => ({ Pods: v.pods, NumPDBViolations: v.violations })),
          NodeNameToMetaVictims: null,
        }
    const answer = member(await this.#post(preemptVerb as string, body), 'NodeNameToMetaVictims')
    const chosen: Victims[] = []
    for (const [nodeName, victims] of Object.entries((answer ?? {}) as Json)) {
      const uids = member(victims, 'Pods')
      const pods = (Array.isArray(uids) ? uids : []).map((item) => this.#podOn(nodeName, String(member(item, 'UID'))))
      if (pods.length > 0) chosen.push({ nodeName, pods, violations: Number(member(victims, 'NumPDBViolations') ?? 0) })
      else if (!isIgnorable) throw new Error(`expected at least one victim pod on node "${nodeName}"`)
    }
    return chosen
  }

  #podOn(nodeName: string, uid: string): Pod {
    const node = this.#options.view.get(nodeName)
    if (!node) throw new Error(`nodeinfo not found for node name ${JSON.stringify(nodeName)}`)
    const info = node.pods.get(uid)
    if (!info)
      throw new Error(
        `extender: ${this.configuration.urlPrefix} claims to preempt pod (UID: &{${uid}}) on node: ${nodeName}, but the pod is not found on that node`,
      )
    return info.pod
  }

  async bind({ metadata: { name, namespace, uid } }: Pod, nodeName: string): Promise<void> {
    const answer = await this.#post(this.configuration.bindVerb as string, {
      PodName: name,
      PodNamespace: namespace,
      PodUID: uid,
      Node: nodeName,
    })
    const error = member(answer, 'Error')
    if (typeof error === 'string' && error) throw new Error(error)
  }
}

type Skipped = (extender: Extender, cause: unknown) => void

/** Each is asked of the nodes that those before it left. */
async function filterThrough(
  all: readonly Extender[],
  info: PodInfo,
  nodes: readonly NodeInfo[],
  skipped: Skipped,
): ReturnType<Extenders['filter']> {
  let feasible = nodes
  const failures = new Map<string, ExtenderFailure>()
  for (const extender of all) {
    if (feasible.length === 0) break
    if (!extender.configuration.filterVerb || !extender.isInterested(info)) continue
    try {
      const answer = await extender.filter(info, feasible)
      feasible = answer.feasible
      for (const [name, failure] of answer.failures) failures.set(name, failure)
    } catch (error) {
      if (!extender.configuration.isIgnorable) throw error
      skipped(extender, error)
    }
  }
  return { feasible, failures }
}

async function preemptThrough(
  all: readonly Extender[],
  pod: Pod,
  candidates: readonly Victims[],
  skipped: Skipped,
): Promise<readonly Victims[]> {
  let left: readonly Victims[] = candidates
  for (const extender of all) {
    if (left.length === 0) break
    if (!extender.configuration.preemptVerb || !extender.isInterested({ pod })) continue
    try {
      left = await extender.preempt(pod, left)
    } catch (error) {
      if (!extender.configuration.isIgnorable) throw error
      skipped(extender, error)
    }
  }
  return left
}

export function createExtenders(options: ExtendersOptions): HttpExtenders | undefined {
  const { configurations, log } = options
  if (configurations.length === 0) return undefined
  const all = configurations.map((configuration) => new Extender(configuration, options))
  const skipped: Skipped = (extender, cause) =>
    log.warn('skipped an extender that failed and may be ignored', { extender: extender.configuration.urlPrefix, cause: String(cause) })
  return {
    hasPreemption: configurations.some(({ preemptVerb }) => preemptVerb !== undefined),
    isInterested: (info) => all.some((extender) => extender.isInterested(info)),
    filter: (info, nodes) => filterThrough(all, info, nodes, skipped),
    async prioritize(info, nodes) {
      const scores = new Map<string, number>()
      const asked = all.filter((extender) => extender.configuration.prioritizeVerb && extender.isInterested(info))
      const answers = await Promise.all(
        asked.map((extender) =>
          // A score is a wish: who cannot say has none.
          extender.prioritize(info, nodes).catch((error: unknown) => (skipped(extender, error), [] as [string, number][])),
        ),
      )
      for (const [name, score] of answers.flat()) scores.set(name, (scores.get(name) ?? 0) + score)
      return scores
    },
    processPreemption: (pod, candidates) => preemptThrough(all, pod, candidates, skipped),
    binder(info) {
      const extender = all.find(({ configuration }) => configuration.bindVerb !== undefined)
      if (!extender?.isInterested(info)) return undefined
      return async (pod, nodeName) => {
        try {
          await extender.bind(pod, nodeName)
          return true
        } catch (error) {
          if (!extender.configuration.isIgnorable) throw error
          skipped(extender, error)
          return false
        }
      }
    },
  }
}

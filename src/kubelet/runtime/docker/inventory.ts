/**
 * What runs in the engine, seen as sandboxes and containers: one call lists all, and what the list leaves out (times, exit
 * codes) is asked for once and kept, since a container of a pod is started once and ends once.
 */
import { readFile } from 'node:fs/promises'
import type { ContainerInfo, ContainerInspectInfo } from 'dockerode'
import type { Container, Sandbox } from '../runtime.ts'
import { type Engine, engineTimeMs, unlessGone } from './engine.ts'
import type { PinnedSandboxes } from './pinnedSandboxes.ts'
import {
  type ContainerFacts,
  KIND_LABEL,
  POD_UID_LABEL,
  SANDBOX_ID_LABEL,
  type SandboxFacts,
  readContainerLabels,
  readSandboxLabels,
} from './labels.ts'
import { startError } from './startErrors.ts'

export class Inventory {
  readonly #engine: Engine
  readonly #pinned: PinnedSandboxes
  readonly #sandboxes = new Map<string, SandboxFacts>()
  readonly #containers = new Map<string, ContainerFacts>()
  /** Containers that run or have ended, as they were seen. */
  readonly #seen = new Map<string, Container>()
  /** Containers whose end was told. On a full disk the engine cannot write down an end, and its list goes on to say that they run. */
  readonly #ended = new Set<string>()

  constructor(engine: Engine, pinned: PinnedSandboxes) {
    this.#engine = engine
    this.#pinned = pinned
  }

  async list(podUid?: string): Promise<{ sandboxes: Sandbox[]; containers: Container[] }> {
    const rows = await this.#rows(podUid === undefined ? [KIND_LABEL] : [KIND_LABEL, `${POD_UID_LABEL}=${podUid}`])
    if (podUid === undefined) this.#forgetAllBut(new Set(rows.map((row) => row.Id)))
    const sandboxes = rows.flatMap((row) => this.#sandboxOf(row) ?? [])
    const containers = await Promise.all(rows.map((row) => this.#containerOf(row)))
    const known = containers.filter((container) => container !== undefined)
    const held = await Promise.all(sandboxes.map((sandbox) => this.#withoutDying(sandbox, known)))
    return { sandboxes: [...held, ...(await this.#pinned.list(podUid))], containers: known }
  }

  /**
   * The end of a shared process namespace ends its containers first, and the engine hears of them before it hears of the
   * process that holds the namespace: nothing is to be started in such a sandbox.
   */
  async #withoutDying(sandbox: Sandbox, containers: readonly Container[]): Promise<Sandbox> {
    const shared = this.#sandboxes.get(sandbox.id)?.pidMode === 'pod'
    if (sandbox.state !== 'Ready' || !shared) return sandbox
    if (!containers.some(({ sandboxId, state }) => sandboxId === sandbox.id && state === 'Exited')) return sandbox
    const pid = await this.pidOf(sandbox.id)
    const stat = pid === undefined ? '' : await readFile(`/proc/${pid}/stat`, 'utf8').catch(() => '')
    return isEnding(stat) ? { ...sandbox, state: 'NotReady' } : sandbox
  }

  /** Ids of a sandbox's containers. */
  async containersIn(sandboxId: string): Promise<{ id: string; running: boolean }[]> {
    const rows = await this.#rows([`${SANDBOX_ID_LABEL}=${sandboxId}`])
    return rows.map((row) => ({ id: row.Id, running: this.#runs(row) }))
  }

  rememberSandbox(id: string, facts: SandboxFacts): void {
    this.#sandboxes.set(id, facts)
  }

  /** Undefined when the engine has no such sandbox. */
  async sandboxFacts(id: string): Promise<SandboxFacts | undefined> {
    const known = this.#sandboxes.get(id) ?? (await this.#pinned.facts(id))
    if (known) return known
    const info = await this.#inspect(id)
    const facts = info && readSandboxLabels(info.Config.Labels)
    if (facts) this.#sandboxes.set(id, facts)
    return facts
  }

  async containerFacts(id: string): Promise<ContainerFacts | undefined> {
    const known = this.#containers.get(id)
    if (known) return known
    const info = await this.#inspect(id)
    const facts = info && readContainerLabels(info.Config.Labels)
    if (facts) this.#containers.set(id, facts)
    return facts
  }

  /** The process id of a running container, as seen from the node. */
  async pidOf(id: string): Promise<number | undefined> {
    return (await this.#inspect(id))?.State.Pid || undefined
  }

  /** It was told that the container has ended; it never runs again. */
  ended(id: string): void {
    this.#ended.add(id)
  }

  /** It was told that the container ran out of memory, which the engine may hear of after the container's end. */
  ranOutOfMemory(id: string): void {
    this.#seen.delete(id)
  }

  forget(id: string): void {
    for (const known of [this.#sandboxes, this.#containers, this.#seen, this.#ended]) known.delete(id)
  }

  #runs({ Id, State }: ContainerInfo): boolean {
    return isRunning(State) && !this.#ended.has(Id)
  }

  async #rows(labels: string[]): Promise<ContainerInfo[]> {
    return (await this.#engine()).listContainers({ all: true, filters: { label: labels } })
  }

  async #inspect(id: string): Promise<ContainerInspectInfo | undefined> {
    return unlessGone((await this.#engine()).getContainer(id).inspect())
  }

  #sandboxOf(row: ContainerInfo): Sandbox | undefined {
    let facts = this.#sandboxes.get(row.Id)
    if (!facts) {
      facts = readSandboxLabels(row.Labels)
      if (!facts) return undefined
      this.#sandboxes.set(row.Id, facts)
    }
    return sandboxFrom(row.Id, facts, this.#runs(row), row.Created * 1000)
  }

  async #containerOf(row: ContainerInfo): Promise<Container | undefined> {
    let facts = this.#containers.get(row.Id)
    if (!facts) {
      facts = readContainerLabels(row.Labels)
      if (!facts) return undefined
      this.#containers.set(row.Id, facts)
    }
    const seen = this.#seen.get(row.Id)
    if (seen && (seen.state === 'Exited' || this.#runs(row))) return seen
    const info = await this.#inspect(row.Id)
    if (!info) return undefined
    const container = containerFrom(info, facts)
    if (container.state !== 'Created') this.#seen.set(row.Id, container)
    return container
  }

  #forgetAllBut(ids: ReadonlySet<string>): void {
    for (const known of [this.#sandboxes, this.#containers, this.#seen, this.#ended]) {
      for (const id of known.keys()) if (!ids.has(id)) known.delete(id)
    }
  }
}

const EXITING_FLAG = 0x4

/** Whether the text of a process' /proc/<pid>/stat is that of one that has ended or is about to; there is none when it is gone. */
export function isEnding(stat: string): boolean {
  // The name, in brackets, may hold anything.
  const [state = 'X', , , , , , flags = '0'] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
  return stat === '' || state === 'Z' || state === 'X' || (Number(flags) & EXITING_FLAG) !== 0
}

function isRunning(state: string): boolean {
  return state === 'running' || state === 'paused' || state === 'restarting'
}

export function sandboxFrom(id: string, facts: SandboxFacts, ready: boolean, createdAtMs: number): Sandbox {
  const { podUid, podName, podNamespace, attempt, ips } = facts
  return { id, podUid, podName, podNamespace, attempt, state: ready ? 'Ready' : 'NotReady', createdAtMs, ips }
}

export function containerFrom(info: Pick<ContainerInspectInfo, 'Id' | 'Created' | 'State'>, facts: ContainerFacts): Container {
  const { State } = info
  const { tty: _, ...identity } = facts
  const common = { ...identity, id: info.Id, createdAtMs: engineTimeMs(info.Created) ?? 0, oomKilled: State.OOMKilled }
  const startedAtMs = engineTimeMs(State.StartedAt)
  if (isRunning(State.Status)) return { ...common, state: 'Running', ...(startedAtMs !== undefined && { startedAtMs }) }
  // One that the engine could not start stays `created`, with the error beside it: for us it has come and gone.
  if (State.Status === 'created' && !State.Error) return { ...common, state: 'Created' }
  const finishedAtMs = engineTimeMs(State.FinishedAt) ?? startedAtMs ?? common.createdAtMs
  return {
    ...common,
    state: 'Exited',
    // The engine notes the start of a short-lived one only after its end.
    ...(startedAtMs !== undefined && { startedAtMs: Math.min(startedAtMs, finishedAtMs) }),
    finishedAtMs,
    exitCode: State.ExitCode,
    ...(State.Error && { error: startError(State.Error, 'create') }),
  }
}

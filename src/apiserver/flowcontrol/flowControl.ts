/**
 * API priority and fairness: requests get their seats by the FlowSchema and PriorityLevelConfiguration objects of the
 * cluster, so that one noisy client waits behind itself and never in front of the kubelet
 * (k8s.io/apiserver/pkg/util/flowcontrol). A server with seats to spare pays for little more than finding the schema.
 */
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'
import { deepEqual } from '../../api/meta.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { LiveObjects } from '../authorization/liveObjects.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'
import type { Registry, UserInfo } from '../request.ts'
import { distinguisherOf, inPrecedence, matchesSchema } from './matching.ts'
import type { FlowRequest } from './matching.ts'
import { PriorityLevel } from './priorityLevel.ts'
import type { LevelConfiguration, Ticket } from './priorityLevel.ts'
import { allocateSeats, mayBorrow } from './seats.ts'
import { hashText } from './shuffle.ts'

export interface FlowControlOptions {
  registry: Registry
  loopback: Loopback
  /** How many units of work the server does at once. */
  serverSeats?: number
  /** After each change of the configuration. */
  onChange?: () => void
  log: Logger
  clock: Clock
}

/** Where a request belongs. */
export interface Flow {
  readonly schema: FlowSchema
  readonly level: PriorityLevel
  /** The headers that every answer carries. */
  readonly headers: Readonly<Record<string, string>>
}

const GROUP = 'flowcontrol.apiserver.k8s.io'
/**
 * One thread serves all: more at once would not make anything faster, and would make everybody wait for everybody. Enough
 * for writes to share their fsyncs.
 */
const DEFAULT_SERVER_SEATS = 120
/** A quarter of the request timeout. */
const WAIT_LIMIT_MS = 15_000
const DEFAULT_QUEUING = { queues: 64, handSize: 8, queueLengthLimit: 50 }
/** A request never takes more of a level than this. */
const MAX_SEATS = 10
const MAX_SEATS_OF_LEVEL = 0.15

export class FlowControl {
  readonly #options: FlowControlOptions
  readonly #schemas: LiveObjects<FlowSchema>
  readonly #configurations: LiveObjects<PriorityLevelConfiguration>
  readonly #levels = new Map<string, PriorityLevel>()
  #flows: Flow[] = []

  constructor(options: FlowControlOptions) {
    this.#options = options
    const { loopback, log, clock } = options
    const onChange = (before: FlowSchema | PriorityLevelConfiguration | undefined, after: typeof before): void => {
      if (!deepEqual(before?.spec, after?.spec) || before?.metadata.uid !== after?.metadata.uid) this.#configure()
      // What somebody wrote into a status is looked after, too.
      else if (!deepEqual(before?.status, after?.status)) this.#options.onChange?.()
    }
    this.#schemas = new LiveObjects<FlowSchema>({ resource: loopback.resource(GROUP, 'v1', 'flowschemas'), log, clock, onChange })
    this.#configurations = new LiveObjects<PriorityLevelConfiguration>({
      resource: loopback.resource(GROUP, 'v1', 'prioritylevelconfigurations'),
      log,
      clock,
      onChange,
    })
  }

  /** Follows the configuration until the signal aborts. */
  run(signal: AbortSignal): { synced: Promise<void>; done: Promise<void> } {
    const { registry } = this.#options
    const live = [this.#schemas, this.#configurations]
    return {
      synced: Promise.all(live.map((each) => each.synced)).then(() => {}),
      done: Promise.all(live.map((each) => each.run(registry, signal))).then(() => {}),
    }
  }

  get levels(): Iterable<PriorityLevel> {
    return this.#levels.values()
  }

  get schemas(): Iterable<FlowSchema> {
    return this.#schemas.values()
  }

  get configurations(): Iterable<PriorityLevelConfiguration> {
    return this.#configurations.values()
  }

  /** Undefined where no schema matches: there is a last one for all, unless the configuration is not there yet. */
  flowOf(user: UserInfo, request: FlowRequest): Flow | undefined {
    for (const flow of this.#flows) if (matchesSchema(flow.schema, user, request)) return flow
    return undefined
  }

  /** As many as are wanted, up to what one request may have of a level. */
  seatsFor({ nominal }: PriorityLevel, wanted: number): number {
    const most = Math.max(1, Math.min(MAX_SEATS, Math.ceil(nominal * MAX_SEATS_OF_LEVEL)))
    return Math.max(1, Math.min(most, wanted))
  }

  /** Seats for a request of a flow, at once or after a wait. Throws a RejectedError. */
  enter(
    { schema, level }: Flow,
    user: UserInfo,
    request: FlowRequest,
    seats: number,
    onGone: (callback: () => void) => void,
  ): Ticket | Promise<Ticket> {
    const flowHash = (): number => hashText(`${schema.metadata.name}\0${distinguisherOf(schema, user, request)}`)
    return level.enter(flowHash, seats, onGone)
  }

  #configure(): void {
    const configurations = [...this.#configurations.values()]
    const limits = allocateSeats(configurations, this.#options.serverSeats ?? DEFAULT_SERVER_SEATS)
    for (const configuration of configurations) {
      const { name } = configuration.metadata
      const wanted: LevelConfiguration = { ...(limits.get(name) as LevelConfiguration), ...responseOf(configuration) }
      const known = this.#levels.get(name)
      if (known) known.configure(wanted)
      else this.#levels.set(name, this.#level(name, wanted))
    }
    for (const name of this.#levels.keys()) if (!limits.has(name)) this.#levels.delete(name)
    // A schema that names no level matches nothing.
    this.#flows = inPrecedence(this.#schemas.values()).flatMap((schema) => {
      const level = this.#levels.get(schema.spec.priorityLevelConfiguration.name)
      const uid = this.#configurations.get(schema.spec.priorityLevelConfiguration.name)?.metadata.uid ?? ''
      const headers = { 'x-kubernetes-pf-flowschema-uid': schema.metadata.uid, 'x-kubernetes-pf-prioritylevel-uid': uid }
      return level ? [{ schema, level, headers }] : []
    })
    this.#options.onChange?.()
  }

  #level(name: string, configuration: LevelConfiguration): PriorityLevel {
    const level: PriorityLevel = new PriorityLevel({
      name,
      configuration,
      mayBorrow: (seats) => mayBorrow(this.#levels.values(), level, seats),
      onFree: () => {
        level.dispatch()
        for (const other of this.#levels.values()) if (other !== level && other.waiting > 0) other.dispatch()
      },
      waitLimitMs: WAIT_LIMIT_MS,
      clock: this.#options.clock,
    })
    return level
  }
}

function responseOf({ spec }: PriorityLevelConfiguration): Pick<LevelConfiguration, 'queuing' | 'exempt'> {
  if (spec.type === 'Exempt') return { exempt: true }
  const { limitResponse } = spec.limited ?? {}
  if (limitResponse?.type !== 'Queue') return { exempt: false }
  return { exempt: false, queuing: { ...DEFAULT_QUEUING, ...limitResponse.queuing } }
}

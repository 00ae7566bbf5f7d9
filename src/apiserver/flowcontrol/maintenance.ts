/**
 * Keeps the default FlowSchemas and PriorityLevelConfigurations as they should be, and says in the status of each schema
 * whether its level is there (upstream's apf_bootstrap and apf_controller): the mandatory ones always have their spec, the
 * suggested ones as long as their annotation asks for it, and all of them come back when they are deleted.
 */
import type { FlowSchema, PriorityLevelConfiguration } from '../../api/kinds/flowcontrol/v1.ts'
import { timestamp, withCondition } from '../../api/meta.ts'
import type { Draft, KubeObject } from '../../api/resource.ts'
import { isAlreadyExists, isConflict, isNotFound } from '../../api/status.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { Loopback } from '../bootstrap/bootstrap.ts'
import { flowSchemas, priorityLevels } from '../bootstrap/flowControl.ts'
import type { FlowControl } from './flowControl.ts'

export const AUTOUPDATE_ANNOTATION = 'apf.kubernetes.io/autoupdate-spec'
const MANDATORY = new Set(['exempt', 'catch-all'])
const GROUP = 'flowcontrol.apiserver.k8s.io'
/** Changes come in groups, and who makes one may be about to make the next: upstream waits about as long. */
const SETTLE_MS = 2_000
const RETRY_MS = 5_000

type Spec = Record<string, unknown>
interface Specified extends KubeObject {
  spec: unknown
}

/** Whether everything in `wanted` is in `has`, where defaulting may have added to it. */
export function includes(has: unknown, wanted: unknown): boolean {
  if (Array.isArray(wanted)) return Array.isArray(has) && has.length === wanted.length && wanted.every((each, i) => includes(has[i], each))
  if (typeof wanted !== 'object' || wanted === null) return has === wanted || (has === undefined && wanted === false)
  if (typeof has !== 'object' || has === null) return false
  return Object.entries(wanted as Spec).every(([key, value]) => includes((has as Spec)[key], value))
}

/** What has to be written so that a default object is as it should be. Pure. */
export function correction(known: Specified | undefined, wanted: Draft<Specified>): 'create' | 'update' | undefined {
  if (!known) return 'create'
  const { name = '' } = wanted.metadata
  const annotation = known.metadata.annotations?.[AUTOUPDATE_ANNOTATION]
  const ours = MANDATORY.has(name) || annotation === 'true' || (annotation === undefined && known.metadata.generation === 1)
  return ours && !includes(known.spec, wanted.spec) ? 'update' : undefined
}

export function danglingCondition(schema: FlowSchema, levelExists: boolean) {
  const name = JSON.stringify(schema.spec.priorityLevelConfiguration.name)
  const text = `This FlowSchema references the PriorityLevelConfiguration object named ${name}`
  return levelExists
    ? { type: 'Dangling', status: 'False', reason: 'Found', message: `${text} and it exists` }
    : { type: 'Dangling', status: 'True', reason: 'NotFound', message: `${text} but there is no such object` }
}

export interface MaintenanceOptions {
  flowControl: FlowControl
  loopback: Loopback
  signal: AbortSignal
  log: Logger
  clock: Clock
}

export class Maintenance {
  readonly #options: MaintenanceOptions
  #cancel: (() => void) | undefined
  #running: Promise<void> | undefined

  constructor(options: MaintenanceOptions) {
    this.#options = options
  }

  /** Looks after everything soon. */
  wake(delayMs = SETTLE_MS): void {
    const { clock, signal } = this.#options
    if (signal.aborted || this.#cancel) return
    this.#cancel = clock.after(delayMs, () => {
      this.#cancel = undefined
      this.#running = (this.#running ?? Promise.resolve()).then(() => this.#maintain())
    })
  }

  async stop(): Promise<void> {
    this.#cancel?.()
    await this.#running
  }

  async #maintain(): Promise<void> {
    const { flowControl, signal, log } = this.#options
    if (signal.aborted) return
    try {
      await this.#correct('prioritylevelconfigurations', flowControl.configurations, priorityLevels() as Draft<Specified>[])
      await this.#correct('flowschemas', flowControl.schemas, flowSchemas() as Draft<Specified>[])
      await this.#tellDangling()
    } catch (error) {
      if (signal.aborted) return
      log.warn('flow control could not be looked after', { error: String(error) })
      this.wake(RETRY_MS)
    }
  }

  async #correct(resourceName: string, known: Iterable<FlowSchema | PriorityLevelConfiguration>, wanted: readonly Draft<Specified>[]) {
    const { loopback } = this.#options
    const resource = loopback.resource(GROUP, 'v1', resourceName)
    const byName = new Map([...known].map((object) => [object.metadata.name, object as Specified]))
    for (const object of wanted) {
      const { name = '' } = object.metadata
      const found = byName.get(name)
      const needed = correction(found, object)
      if (needed === 'create') {
        await loopback.send('create', resource, { body: object }).catch((error: unknown) => {
          if (!isAlreadyExists(error)) throw error
        })
      } else if (needed && found) {
        const body: Specified = { ...found, spec: object.spec }
        await loopback.send('update', resource, { name, body }).catch((error: unknown) => {
          // Whoever changed it wakes us again.
          if (!isConflict(error) && !isNotFound(error)) throw error
        })
      }
    }
  }

  async #tellDangling(): Promise<void> {
    const { flowControl, loopback, clock } = this.#options
    const resource = loopback.resource(GROUP, 'v1', 'flowschemas')
    const levels = new Set([...flowControl.configurations].map((level: PriorityLevelConfiguration) => level.metadata.name))
    for (const schema of flowControl.schemas) {
      const known = (schema.status?.conditions ?? []) as { type: string; status: string }[]
      const wanted = danglingCondition(schema, levels.has(schema.spec.priorityLevelConfiguration.name))
      const conditions = withCondition(known, wanted, timestamp(clock.now()))
      if (conditions === known) continue
      const { name } = schema.metadata
      const body = { ...schema, status: { conditions: [...conditions] } }
      await loopback.send('update', resource, { name, subresource: 'status', body }).catch((error: unknown) => {
        if (!isConflict(error) && !isNotFound(error)) throw error
      })
    }
  }
}

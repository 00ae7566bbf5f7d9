/**
 * The node stops, and pods were given time for it: those that matter least end first, each group within its period, while the
 * kubelet still works. All of them have Failed, as upstream's graceful node shutdown has it, and others take their place
 * elsewhere or later. Meanwhile the node is not ready and takes no pods.
 */
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { PriorityPeriod } from '../../api/componentOptionValues.ts'
import type { Pod } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import { replaceFile } from '../../base/replaceFile.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { Eviction } from '../pods/eviction.ts'
import { shutdownGraceSeconds, shutdownGroups, type ShutdownGroup } from './shutdownGroups.ts'

export const SHUTDOWN_MESSAGE = 'Pod was terminated in response to imminent node shutdown.'
const RECORD = 'graceful_node_shutdown_state'

export interface GracefulShutdownOptions {
  periods: readonly PriorityPeriod[]
  rootDir: string
  clock: Clock
  log: Logger
  measures: KubeletMeasures
  /** Those that are not over. */
  pods(): readonly Pod[]
  end(pod: Pod, eviction: Eviction & { graceSeconds: number }): void
  /** Resolves when nothing of the pod is left and its status has arrived. */
  over(pod: Pod): Promise<void>
  /** Tells that the node stops. */
  onBegin(): void
}

interface Times {
  startTime?: string
  endTime?: string
}

export class GracefulShutdown {
  readonly #options: GracefulShutdownOptions
  #isUnderWay = false

  constructor(options: GracefulShutdownOptions) {
    this.#options = options
  }

  get isUnderWay(): boolean {
    return this.#isUnderWay
  }

  /** Metrics tell of the last one, which ended the process that they were counted in. */
  async begin(): Promise<void> {
    const { rootDir, log } = this.#options
    const text = await readFile(join(rootDir, RECORD), 'utf8').catch(() => undefined)
    if (text === undefined) return
    try {
      this.#tell(JSON.parse(text) as Times)
    } catch (error) {
      log.warn('the record of the last shutdown cannot be read', { error: String(error) })
    }
  }

  /** Resolves when every group has ended or has had its time. Does nothing where pods were given none. */
  async run(): Promise<void> {
    const { periods, clock, log, pods, onBegin } = this.#options
    if (periods.length === 0) return
    this.#isUnderWay = true
    onBegin()
    const startTime = new Date(clock.now()).toISOString()
    await this.#record({ startTime })
    for (const group of shutdownGroups(periods, pods())) {
      log.info('pods end for the shutdown of the node', { pods: group.pods.length, seconds: group.seconds })
      await this.#end(group)
    }
    await this.#record({ startTime, endTime: new Date(clock.now()).toISOString() })
  }

  async #end(group: ShutdownGroup): Promise<void> {
    const { clock, end, over } = this.#options
    for (const pod of group.pods) {
      const graceSeconds = shutdownGraceSeconds(pod, group)
      end(pod, { reason: 'Terminated', message: SHUTDOWN_MESSAGE, graceSeconds, quiet: true })
    }
    const ended = new AbortController()
    const waited = clock.sleep(group.seconds * 1000, ended.signal).catch(() => {})
    await Promise.race([Promise.all(group.pods.map(over)), waited])
    ended.abort()
  }

  async #record(times: Times): Promise<void> {
    const { rootDir, log } = this.#options
    this.#tell(times)
    await replaceFile(join(rootDir, RECORD), JSON.stringify(times)).catch((error: unknown) =>
      log.warn('the shutdown cannot be recorded', { error: String(error) }),
    )
  }

  #tell({ startTime, endTime }: Times): void {
    const seconds = (time: string | undefined): number => Math.floor((Date.parse(time ?? '') || 0) / 1000)
    const { measures } = this.#options
    measures.set('kubelet_graceful_shutdown_start_time_seconds', seconds(startTime))
    measures.set('kubelet_graceful_shutdown_end_time_seconds', seconds(endTime))
  }
}

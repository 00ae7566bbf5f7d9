/**
 * The container runtime on a Docker engine. A pod is a sandbox that owns its namespaces (pinned by files, or a pause
 * container), and a container joining these for each of the pod's own. Shape and behaviour are those of the Container Runtime Interface
 * (cri-api v1); the engine's labels and names and the records of pinned sandboxes are the only memory, so that a kubelet that was killed finds everything again.
 */
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/logger.ts'
import type { PodNetwork } from '../../network/podNetwork.ts'
import type { LogLine, LogOptions, Runtime } from '../runtime.ts'
import { Containers } from './containers.ts'
import type { LogLimits } from './createOptions.ts'
import { dialInNamespace } from './dial.ts'
import { readContainerDisk } from './diskUsage.ts'
import { createEngine } from './engine.ts'
import { followEvents } from './events.ts'
import { mountImage } from './imageMounts.ts'
import { Images } from './images.ts'
import { Inventory } from './inventory.ts'
import { readLogs } from './logs.ts'
import { PinnedSandboxes } from './pinnedSandboxes.ts'
import { Sandboxes } from './sandboxes.ts'
import { processGroupStats } from '../cgroupStats.ts'
import { attachTo, execIn } from './streams.ts'

export interface DockerRuntimeOptions {
  /** The engine's unix socket. */
  socketPath: string
  network: PodNetwork
  pauseImage: string
  logs: LogLimits
  /** Where records of sandboxes are kept, and where their namespaces are: the former outlives the node's container. */
  sandboxes: { recordsDirectory: string; namespacesDirectory: string }
  log: Logger
  clock: Clock
}

export interface DockerRuntime extends Runtime {
  /** Takes over what runs already and repairs its network. Happens before the first change anyway; calling it early saves that time. */
  recover(signal: AbortSignal): Promise<void>
}

export function createDockerRuntime({
  socketPath,
  network,
  pauseImage,
  logs,
  sandboxes: places,
  log,
  clock,
}: DockerRuntimeOptions): DockerRuntime {
  const engine = createEngine(socketPath)
  const pinned = new PinnedSandboxes({ ...places, network, log, clock })
  const inventory = new Inventory(engine, pinned)
  const sandboxes = new Sandboxes({ engine, inventory, network, pinned, pauseImage, log })
  const containers = new Containers({ engine, inventory, sandboxes, logs })
  const images = new Images(engine, clock)

  const pidOf = async (id: string): Promise<number> => {
    const pid = await inventory.pidOf(id)
    if (pid === undefined) throw new Error(`container ${id} is not running`)
    return pid
  }

  return {
    recover: (signal) => sandboxes.recover(signal),
    version: async () => `docker://${(await (await engine()).version()).Version}`,

    createSandbox: (config, signal) => sandboxes.create(config, signal),
    stopSandbox: (id) => sandboxes.stop(id),
    removeSandbox: (id) => sandboxes.remove(id),

    createContainer: (sandboxId, config, signal) => containers.create(sandboxId, config, signal),
    startContainer: (id, signal) => containers.start(id, signal),
    stopContainer: (id, graceSeconds) => containers.stop(id, graceSeconds),
    removeContainer: (id) => containers.remove(id),
    updateResources: (id, resources) => containers.updateResources(id, resources),

    list: (podUid) => inventory.list(podUid),
    events: (signal, listener) =>
      followEvents(engine, signal, {
        ...listener,
        onEvent(event) {
          if (event.type === 'Died') inventory.ended(event.containerId)
          if (event.type === 'Oom') inventory.ranOutOfMemory(event.containerId)
          listener.onEvent(event)
        },
      }),

    images: () => images.list(),
    imageStatus: (name) => images.status(name),
    pullImage: (name, auth, signal) => images.pull(name, auth, signal),
    removeImage: (id) => images.remove(id),
    mountImage: (id, directory, signal) => mountImage(engine, id, directory, signal),

    async *logs(containerId: string, options: LogOptions): AsyncGenerator<LogLine> {
      const facts = await inventory.containerFacts(containerId)
      if (!facts) throw new Error(`container ${containerId} is not there`)
      yield* readLogs(socketPath, { id: containerId, tty: facts.tty }, options)
    },
    exec: (containerId, options) => execIn(engine, clock, containerId, options),
    attach: (containerId, options) => attachTo(engine, clock, containerId, options),
    dial: async (sandboxId, port, signal) => dialInNamespace(await sandboxes.networkNamespaceOf(sandboxId), port, signal),
    diskUsage: (containerId, signal) => readContainerDisk(engine, containerId, signal),
    stats: async (containerId) => processGroupStats(await pidOf(containerId)),
  }
}

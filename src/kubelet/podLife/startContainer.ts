/** Starts one container: image, configuration, create, start, postStart hook. Failures name the waiting reason. */
import type { Container, Pod, PodStatus } from '../../api/kinds/core/v1.ts'
import { orAbort } from '../../base/abort.ts'
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { EventRecorder } from '../../client/events.ts'
import { containerConfig } from '../containers/containerConfig.ts'
import type { DeviceManager } from '../devices/deviceManager.ts'
import { ContainerConfigError } from '../containers/environment.ts'
import type { EnvironmentSources } from '../containers/environment.ts'
import type { DynamicResources } from '../dynamicResources/dynamicResources.ts'
import type { PodFacts } from '../pods/fieldRef.ts'
import type { NodeLimits } from '../resources/resources.ts'
import { ImageUnavailableError } from '../images/imagePuller.ts'
import { Grace, graceSecondsOf, killContainer } from './killPod.ts'
import { runHook } from './lifecycle.ts'
import type { PodDirectories } from '../pods/podDirectories.ts'
import { fieldPathOf } from '../pods/podSpec.ts'
import { RESTARTING_REASON } from '../pods/restartAll.ts'
import type { ContainerConfig, Image, Runtime, Sandbox } from '../runtime/runtime.ts'
import type { PinSubPath } from '../volumes/subPath.ts'
import type { PreparedVolumes } from '../volumes/preparedVolume.ts'

export class StartError extends Error {
  override readonly name = 'StartError'
  readonly reason: string
  readonly retryAtMs: number | undefined
  constructor(reason: string, message: string, options: { retryAtMs?: number | undefined; cause?: unknown } = {}) {
    super(message, { cause: options.cause })
    this.reason = reason
    this.retryAtMs = options.retryAtMs
  }
}

export interface StartOptions {
  runtime: Runtime
  events: EventRecorder
  clock: Clock
  log: Logger
  rootDir: string
  nodeIp: string
  nodeLimits: NodeLimits
  pin?: PinSubPath
  devices: Pick<DeviceManager, 'grants'>
  claims: Pick<DynamicResources, 'cdiDevices'>
  /** Ends with the kubelet: what was begun in the runtime is not left half done when only the sync ends. */
  lifetime: AbortSignal
}

/** The container whose processes an ephemeral one is to see. */
export interface ContainerTarget {
  name: string
  /** Undefined when it does not run. */
  id: string | undefined
}

export interface ContainerStartRequest {
  pod: Pod
  container: Container
  attempt: number
  sandbox: Sandbox
  image: Promise<Image>
  volumes: PreparedVolumes
  facts: PodFacts
  sources: EnvironmentSources
  directories: PodDirectories
  target?: ContainerTarget | undefined
  signal: AbortSignal
}

const text = (error: unknown): string => (error instanceof Error ? error.message : String(error))

async function configure(options: StartOptions, request: ContainerStartRequest, image: Image): Promise<ContainerConfig> {
  const { pod, container, attempt, facts, sources, volumes, directories, target } = request
  const { rootDir, nodeLimits, pin, devices, claims } = options
  try {
    if (target && target.id === undefined) throw new ContainerConfigError(`unable to find target container "${target.name}"`)
    const config = await containerConfig({
      pod,
      container,
      attempt,
      image,
      facts,
      sources,
      volumes,
      directories,
      rootDir,
      nodeLimits,
      grants: await devices.grants(pod.metadata.uid, container.name),
      claimedDevices: claims.cdiDevices(pod, container),
      ...(pin && { pin }),
    })
    return { ...config, ...(target?.id !== undefined && { targetContainerId: target.id }) }
  } catch (error) {
    request.signal.throwIfAborted()
    const reason = error instanceof ContainerConfigError ? 'CreateContainerConfigError' : 'CreateContainerError'
    throw new StartError(reason, text(error), { cause: error })
  }
}

async function imageOf({ image, signal }: ContainerStartRequest): Promise<Image> {
  try {
    return await orAbort(image, signal)
  } catch (error) {
    if (error instanceof ImageUnavailableError)
      throw new StartError(error.reason, error.message, { retryAtMs: error.retryAtMs, cause: error })
    throw error
  }
}

/** A container that exists but does not run yet. */
export interface CreatedContainer {
  id: string
  config: ContainerConfig
}

const recordFailure = ({ events }: StartOptions, { pod, container }: ContainerStartRequest, reason: string, error: unknown): StartError => {
  events.record(pod, { type: 'Warning', reason: 'Failed', message: `Error: ${text(error)}`, fieldPath: fieldPathOf(pod, container.name) })
  return new StartError(reason, text(error), { cause: error })
}

export async function createContainer(options: StartOptions, request: ContainerStartRequest): Promise<CreatedContainer> {
  const { runtime, events, lifetime } = options
  const { pod, container, sandbox, signal } = request
  const image = await imageOf(request)
  const config = await configure(options, request, image).catch((error: unknown) => {
    throw error instanceof StartError ? recordFailure(options, request, error.reason, error) : error
  })
  signal.throwIfAborted()
  const id = await runtime.createContainer(sandbox.id, config, lifetime).catch((error: unknown) => {
    throw recordFailure(options, request, 'CreateContainerError', error)
  })
  events.record(pod, { type: 'Normal', reason: 'Created', message: 'Container created', fieldPath: fieldPathOf(pod, container.name) })
  return { id, config }
}

/** Resolves once it runs and its postStart hook is through. */
export async function startContainer(
  options: StartOptions,
  request: ContainerStartRequest,
  { id, config }: CreatedContainer,
): Promise<void> {
  const { runtime, events, lifetime } = options
  const { pod, container, signal } = request
  signal.throwIfAborted()
  await runtime.startContainer(id, lifetime).catch((error: unknown) => {
    throw recordFailure(options, request, 'RunContainerError', error)
  })
  events.record(pod, { type: 'Normal', reason: 'Started', message: 'Container started', fieldPath: fieldPathOf(pod, container.name) })
  await runPostStart(options, request, id, config)
}

async function runPostStart(options: StartOptions, request: ContainerStartRequest, id: string, config: ContainerConfig): Promise<void> {
  const { runtime, events, clock, nodeIp } = options
  const { pod, container, sandbox, signal } = request
  const handler = container.lifecycle?.postStart
  if (!handler) return
  const podIp = sandbox.ips[0] ?? nodeIp
  try {
    await runHook(
      handler,
      { container, containerId: id, podIp },
      {
        runtime,
        clock,
        warn: (reason, message) => events.record(pod, { type: 'Warning', reason, message }),
        signal,
      },
    )
  } catch (error) {
    signal.throwIfAborted()
    events.record(pod, {
      type: 'Warning',
      reason: 'FailedPostStartHook',
      message: 'PostStartHook failed',
      fieldPath: fieldPathOf(pod, container.name),
    })
    const { podUid, podName, podNamespace } = sandbox
    const started = {
      id,
      podUid,
      podName,
      podNamespace,
      sandboxId: sandbox.id,
      name: container.name,
      attempt: config.attempt,
      state: 'Running' as const,
      createdAtMs: clock.now(),
      oomKilled: false,
      image: config.image,
      imageId: config.imageId,
      annotations: config.annotations,
    }
    await orAbort(
      killContainer(options, {
        pod,
        container: started,
        podIp,
        grace: new Grace(graceSecondsOf(pod), clock),
        message: 'FailedPostStartHook',
      }),
      signal,
    )
    throw new StartError('PostStartHookError', text(error), { cause: error })
  }
}

/** Attempts go on counting where the runtime, or else the API's status, left off. */
export function nextAttempt(status: PodStatus, container: Container, newest: { attempt: number } | undefined): number {
  if (newest) return newest.attempt + 1
  const { initContainerStatuses = [], containerStatuses = [] } = status
  const before = [...initContainerStatuses, ...containerStatuses].find((status) => status.name === container.name)
  if (before?.state?.waiting?.reason === RESTARTING_REASON) return before.restartCount
  return before?.containerID ? before.restartCount + 1 : 0
}

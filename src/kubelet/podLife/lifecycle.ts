/** Lifecycle hooks of containers: postStart and preStop, by command, HTTP request or sleep. */
import type { Container, LifecycleHandler } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { execInContainer } from '../probes/execAction.ts'
import { httpGet, httpGetUrl, HttpGetError, type HttpGetOptions } from '../probes/httpAction.ts'
import { GAVE_HTTP_TO_HTTPS } from '../probes/networkErrors.ts'
import type { Runtime } from '../runtime/runtime.ts'

const HOOK_USER_AGENT = 'kube-lifecycle/1.36'

export interface HookTarget {
  container: Container
  containerId: string
  podIp: string
}

export interface HookOptions {
  runtime: Runtime
  clock: Clock
  /** An event of the pod that the hook has done its work, but not as it was told to. */
  warn(reason: string, message: string): void
  signal: AbortSignal
}

/** Throws when the hook fails. */
export async function runHook(
  handler: LifecycleHandler,
  { container, containerId, podIp }: HookTarget,
  options: HookOptions,
): Promise<void> {
  const { runtime, clock, warn, signal } = options
  const { exec, httpGet: action, sleep } = handler
  if (exec) {
    const { exitCode, output } = await execInContainer(runtime, containerId, exec.command ?? [], signal)
    if (exitCode !== 0) throw new Error(`command '${(exec.command ?? []).join(' ')}' exited with ${exitCode}: ${output}`)
  } else if (action) {
    await request({ action, container, podIp, userAgent: HOOK_USER_AGENT, signal }, warn)
  } else if (sleep) {
    await clock.sleep(sleep.seconds * 1000, signal)
  } else {
    // The API takes tcpSocket here for the sake of old manifests; nobody ever ran it.
    throw new Error('invalid handler')
  }
}

/** To have been asked is all: what the server answers does not matter. */
async function request(options: HttpGetOptions, warn: HookOptions['warn']): Promise<void> {
  const { action, container, podIp } = options
  try {
    await httpGet(options)
  } catch (error) {
    if (!(error instanceof HttpGetError && error.message.includes(GAVE_HTTP_TO_HTTPS))) throw error
    const httpHeaders = action.httpHeaders?.filter(({ name }) => name.toLowerCase() !== 'authorization')
    await httpGet({ ...options, action: { ...action, scheme: 'HTTP', ...(httpHeaders && { httpHeaders }) } }).catch(() =>
      Promise.reject(error),
    )
    const { host } = httpGetUrl(action, container, podIp)
    warn('LifecycleHTTPFallback', `request to HTTPS lifecycle hook ${host} got HTTP response, retry with HTTP succeeded`)
  }
}

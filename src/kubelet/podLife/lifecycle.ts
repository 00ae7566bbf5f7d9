/** Lifecycle hooks of containers: postStart and preStop, by command, HTTP request, TCP connection or sleep. */
import type { Container, LifecycleHandler } from '../../api/kinds/core/v1.ts'
import type { Clock } from '../../base/clock.ts'
import { execInContainer } from '../probes/execAction.ts'
import { probeHttp, resolvePort } from '../probes/httpAction.ts'
import { probeTcp } from '../probes/tcpAction.ts'
import type { Runtime } from '../runtime/runtime.ts'

const HOOK_USER_AGENT = 'kube-lifecycle/1.36'
/** A hook without a limit of its own (postStart) ends with the pod; requests end earlier. */
const REQUEST_TIMEOUT_SECONDS = 30

export interface HookTarget {
  container: Container
  containerId: string
  podIp: string
}

/** Throws when the hook fails. */
export async function runHook(
  handler: LifecycleHandler,
  { container, containerId, podIp }: HookTarget,
  options: { runtime: Runtime; clock: Clock; signal: AbortSignal },
): Promise<void> {
  const { runtime, clock, signal } = options
  const { exec, httpGet, tcpSocket, sleep } = handler
  if (exec) {
    const { exitCode, output } = await execInContainer(runtime, containerId, exec.command ?? [], signal)
    if (exitCode !== 0) throw new Error(`command '${(exec.command ?? []).join(' ')}' exited with ${exitCode}: ${output}`)
  } else if (httpGet) {
    const outcome = await probeHttp({
      action: httpGet,
      container,
      podIp,
      timeoutSeconds: REQUEST_TIMEOUT_SECONDS,
      userAgent: HOOK_USER_AGENT,
      signal,
    })
    if (outcome.result === 'failure') throw new Error(outcome.output)
  } else if (sleep) {
    await clock.sleep(sleep.seconds * 1000, signal)
  } else if (tcpSocket) {
    const outcome = await probeTcp(tcpSocket.host || podIp, resolvePort(tcpSocket.port, container), REQUEST_TIMEOUT_SECONDS, signal)
    if (outcome.result === 'failure') throw new Error(outcome.output)
  }
}

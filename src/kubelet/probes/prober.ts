/** Runs one probe once. */
import type { Container, Pod, Probe } from '../../api/kinds/core/v1.ts'
import { expand } from '../containers/expansion.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { probeExec } from './execAction.ts'
import { probeGrpc } from './grpcAction.ts'
import { probeHttp, resolvePort } from './httpAction.ts'
import type { ProbeOutcome } from './outcome.ts'
import { probeTcp } from './tcpAction.ts'

export const PROBE_USER_AGENT = 'kube-probe/1.36'
const DEFAULT_TIMEOUT_SECONDS = 1
/** Of a probe that could not be made. */
const MAX_ATTEMPTS = 3

export interface ProbeTarget {
  pod: Pod
  container: Container
  containerId: string
  podIp: string
}

export type RunProbe = (probe: Probe, target: ProbeTarget, signal: AbortSignal) => Promise<ProbeOutcome>

export function createProber(runtime: Runtime): RunProbe {
  const once: RunProbe = async (probe, { container, containerId, podIp }, signal) => {
    const timeoutSeconds = probe.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
    const { exec, httpGet, tcpSocket, grpc } = probe
    if (exec) return probeExec(runtime, containerId, probeCommand(exec.command, container), timeoutSeconds, signal)
    if (httpGet) return probeHttp({ action: httpGet, container, podIp, timeoutSeconds, userAgent: PROBE_USER_AGENT, signal })
    if (tcpSocket) return probeTcp(tcpSocket.host || podIp, resolvePort(tcpSocket.port, container), timeoutSeconds, signal)
    if (grpc) return probeGrpc(podIp, grpc.port, grpc.service ?? '', timeoutSeconds, PROBE_USER_AGENT, signal)
    throw new Error(`missing probe handler for ${container.name}`)
  }
  return async (probe, target, signal) => {
    for (let attempt = 1; ; attempt++) {
      try {
        return await once(probe, target, signal)
      } catch (error) {
        signal.throwIfAborted()
        if (attempt === MAX_ATTEMPTS) throw error
      }
    }
  }
}

/** With `$(NAME)` of the variables that are in the spec itself: what they are made from elsewhere is empty here. */
function probeCommand(command: readonly string[] = [], { env = [] }: Container): string[] {
  const values = new Map(env.map(({ name, value }) => [name, value ?? '']))
  return command.map((text) => expand(text, (name) => values.get(name)))
}

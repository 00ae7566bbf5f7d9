/** Runs one probe once. */
import type { Container, Pod, Probe } from '../../api/kinds/core/v1.ts'
import type { Runtime } from '../runtime/runtime.ts'
import { probeExec } from './execAction.ts'
import { probeGrpc } from './grpcAction.ts'
import { probeHttp, resolvePort } from './httpAction.ts'
import type { ProbeOutcome } from './outcome.ts'
import { probeTcp } from './tcpAction.ts'

export const PROBE_USER_AGENT = 'kube-probe/1.36'
const DEFAULT_TIMEOUT_SECONDS = 1

export interface ProbeTarget {
  pod: Pod
  container: Container
  containerId: string
  podIp: string
}

export type RunProbe = (probe: Probe, target: ProbeTarget, signal: AbortSignal) => Promise<ProbeOutcome>

export function createProber(runtime: Runtime): RunProbe {
  return async (probe, { container, containerId, podIp }, signal) => {
    const timeoutSeconds = probe.timeoutSeconds ?? DEFAULT_TIMEOUT_SECONDS
    const { exec, httpGet, tcpSocket, grpc } = probe
    if (exec) return probeExec(runtime, containerId, exec.command ?? [], timeoutSeconds, signal)
    if (httpGet) return probeHttp({ action: httpGet, container, podIp, timeoutSeconds, userAgent: PROBE_USER_AGENT, signal })
    if (tcpSocket) return probeTcp(tcpSocket.host || podIp, resolvePort(tcpSocket.port, container), timeoutSeconds, signal)
    if (grpc) return probeGrpc(podIp, grpc.port, grpc.service ?? '', timeoutSeconds, PROBE_USER_AGENT, signal)
    throw new Error(`missing probe handler for ${container.name}`)
  }
}

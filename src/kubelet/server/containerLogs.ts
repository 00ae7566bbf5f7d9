/** A container's log, as `kubectl logs` asks for it. The parameters are those of PodLogOptions, the messages upstream's. */
import { once } from 'node:events'
import type { Writable } from 'node:stream'
import type { ContainerStatus, Pod } from '../../api/kinds/core/v1.ts'
import type { LogLine, LogOptions, Runtime } from '../runtime/runtime.ts'
import { HttpError } from './errors.ts'
import type { ServedPod } from './pods.ts'

export interface LogRequest {
  follow: boolean
  previous: boolean
  timestamps: boolean
  tailLines?: number
  sinceMs?: number
  limitBytes?: number
  stream?: LogLine['stream']
}

export function parseLogRequest(query: URLSearchParams, nowMs: number): LogRequest {
  const flag = (name: string): boolean => ['1', 'true'].includes(query.get(name)?.toLowerCase() ?? '')
  const number = (name: string, least: number): number | undefined => {
    const text = query.get(name)
    if (text === null || text === '') return undefined
    const value = Number(text)
    if (!Number.isInteger(value) || value < least)
      throw new HttpError(422, `${name}: Invalid value: ${JSON.stringify(text)}: must be greater than or equal to ${least}`)
    return value
  }
  const sinceSeconds = number('sinceSeconds', 1)
  const sinceTime = query.get('sinceTime') ? Date.parse(query.get('sinceTime') ?? '') : undefined
  if (sinceTime !== undefined && Number.isNaN(sinceTime))
    throw new HttpError(400, `sinceTime: Invalid value: ${JSON.stringify(query.get('sinceTime'))}`)
  const tailLines = number('tailLines', 0)
  const limitBytes = number('limitBytes', 1)
  const stream = { Stdout: 'stdout', Stderr: 'stderr' }[query.get('stream') ?? ''] as LogRequest['stream'] | undefined
  const sinceMs = sinceSeconds !== undefined ? nowMs - sinceSeconds * 1000 : sinceTime
  return {
    follow: flag('follow'),
    previous: flag('previous'),
    timestamps: flag('timestamps'),
    ...(tailLines !== undefined && { tailLines }),
    ...(sinceMs !== undefined && { sinceMs }),
    ...(limitBytes !== undefined && { limitBytes }),
    ...(stream && { stream }),
  }
}

/** Throws the reason where there is no log to read. */
export function logContainerId({ pod, containerId }: Pick<ServedPod, 'pod' | 'containerId'>, container: string, previous: boolean): string {
  if (!containerNames(pod).includes(container)) {
    throw new HttpError(404, `container "${container}" not found in pod "${pod.metadata.name}_${pod.metadata.namespace}"`)
  }
  const id = containerId(container, { previous })
  if (id !== undefined) return id
  throw new HttpError(400, whyNoLog(pod, container, previous))
}

export function containerNames({ spec }: Pick<Pod, 'spec'>): string[] {
  return [...spec.containers, ...(spec.initContainers ?? []), ...(spec.ephemeralContainers ?? [])].map(({ name }) => name)
}

function whyNoLog(pod: Pod, container: string, previous: boolean): string {
  const where = `container "${container}" in pod "${pod.metadata.name}"`
  if (previous) return `previous terminated ${where} not found`
  const status = statusOf(pod, container)
  if (!status) return `${where} is not available`
  const reason = status.state?.waiting?.reason
  if (reason === 'ErrImagePull') return `${where} is waiting to start: image can't be pulled`
  if (reason === 'ImagePullBackOff') return `${where} is waiting to start: trying and failing to pull image`
  if (status.state?.terminated) return `${where} is terminated`
  return `${where} is waiting to start${reason ? `: ${reason}` : ' - no logs yet'}`
}

function statusOf({ status }: Pod, container: string): ContainerStatus | undefined {
  const all = [status?.containerStatuses, status?.initContainerStatuses, status?.ephemeralContainerStatuses]
  return all.flatMap((statuses) => statuses ?? []).find(({ name }) => name === container)
}

/** Writes the log until it ends, the limit is reached or the signal aborts. */
export async function writeLog(
  runtime: Pick<Runtime, 'logs'>,
  containerId: string,
  request: LogRequest,
  output: Writable,
  signal: AbortSignal,
): Promise<void> {
  const { follow, tailLines: tail, sinceMs, timestamps, stream } = request
  const options: LogOptions = { follow, signal, ...(tail !== undefined && { tail }), ...(sinceMs !== undefined && { sinceMs }) }
  let leftBytes = request.limitBytes ?? Infinity
  let atLineStart = true
  for await (const line of runtime.logs(containerId, options)) {
    if (stream && line.stream !== stream) continue
    const text = timestamps && atLineStart ? Buffer.concat([Buffer.from(`${formatTimestamp(line.timestampNs)} `), line.data]) : line.data
    atLineStart = line.data.at(-1) === NEWLINE
    const part = text.length > leftBytes ? text.subarray(0, leftBytes) : text
    leftBytes -= part.length
    if (!output.write(part)) await once(output, 'drain', { signal })
    if (leftBytes === 0) return
  }
}

const NEWLINE = 10

/** RFC 3339 with nine digits. */
export function formatTimestamp(timestampNs: bigint): string {
  const seconds = new Date(Number(timestampNs / 1_000_000n)).toISOString().slice(0, 19)
  return `${seconds}.${String(timestampNs % 1_000_000_000n).padStart(9, '0')}Z`
}

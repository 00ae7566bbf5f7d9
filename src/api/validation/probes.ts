/** Probes and lifecycle hooks. */
import { forbidden, invalid, invalidAll, required } from './fieldErrors.ts'
import { isHttpHeaderName, isPortName, isPortNumber } from './names.ts'
import { validateEnum, validateNotNegative } from './values.ts'
import type { ExecAction, HTTPGetAction, Lifecycle, LifecycleHandler, Probe, TCPSocketAction } from '../kinds/core/v1.ts'
import type { FieldError } from '../status.ts'

export function validatePort(port: number | string | undefined, path: string): FieldError[] {
  if (typeof port === 'number' || port === undefined) return invalidAll(path, port ?? 0, isPortNumber(port ?? 0))
  return invalidAll(path, port, isPortName(port))
}

interface Handler {
  exec?: ExecAction
  httpGet?: HTTPGetAction
  tcpSocket?: TCPSocketAction
  grpc?: { port: number; service?: string }
  sleep?: { seconds: number }
}

function validateHandler(handler: Handler, path: string, graceSeconds: number | undefined): FieldError[] {
  const errors: FieldError[] = []
  let count = 0
  const only = (field: string, check: () => FieldError[]): void => {
    if (count > 0) errors.push(forbidden(`${path}.${field}`, 'may not specify more than 1 handler type'))
    else {
      count++
      errors.push(...check())
    }
  }
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler
  if (exec) only('exec', () => (exec.command?.length ? [] : [required(`${path}.exec.command`)]))
  if (httpGet) only('httpGet', () => validateHttpGet(httpGet, `${path}.httpGet`))
  if (tcpSocket) only('tcpSocket', () => validatePort(tcpSocket.port, `${path}.tcpSocket.port`))
  if (grpc) only('grpc', () => invalidAll(`${path}.grpc.port`, grpc.port, isPortNumber(grpc.port)))
  if (sleep) {
    only('sleep', () => {
      const max = graceSeconds ?? 30
      const ok = sleep.seconds >= 0 && sleep.seconds <= max
      return ok ? [] : [invalid(`${path}.sleep`, sleep.seconds, `must be non-negative and less than terminationGracePeriodSeconds (${max}). Enable AllowPodLifecycleSleepActionZeroValue feature gate for zero sleep.`)]
    })
  }
  if (count === 0) errors.push(required(path, 'must specify a handler type'))
  return errors
}

function validateHttpGet(action: HTTPGetAction, path: string): FieldError[] {
  const errors = action.path ? [] : [required(`${path}.path`)]
  errors.push(...validatePort(action.port, `${path}.port`), ...validateEnum(action.scheme, `${path}.scheme`, ['HTTP', 'HTTPS']))
  for (const { name } of action.httpHeaders ?? []) errors.push(...invalidAll(`${path}.httpHeaders`, name, isHttpHeaderName(name)))
  return errors
}

export interface ProbeRules {
  /** Liveness and startup probes succeed at once. */
  successOnce: boolean
  allowsGrace: boolean
  podGraceSeconds?: number
}

export function validateProbe(probe: Probe | undefined, path: string, rules: ProbeRules): FieldError[] {
  if (!probe) return []
  const errors = validateHandler(probe, path, rules.podGraceSeconds)
  for (const field of ['initialDelaySeconds', 'timeoutSeconds', 'periodSeconds', 'successThreshold', 'failureThreshold'] as const) {
    errors.push(...validateNotNegative(probe[field], `${path}.${field}`))
  }
  if (rules.successOnce && probe.successThreshold !== undefined && probe.successThreshold !== 1) {
    errors.push(invalid(`${path}.successThreshold`, probe.successThreshold, 'must be 1'))
  }
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined) {
    if (!rules.allowsGrace) errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'))
    else if (grace <= 0) errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  }
  return errors
}

export function validateLifecycle(lifecycle: Lifecycle | undefined, path: string, graceSeconds: number | undefined): FieldError[] {
  const hook = (handler: LifecycleHandler | undefined, field: string): FieldError[] =>
    handler ? validateHandler(handler, `${path}.${field}`, graceSeconds) : []
  return [...hook(lifecycle?.postStart, 'postStart'), ...hook(lifecycle?.preStop, 'preStop')]
}


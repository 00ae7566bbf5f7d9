/** Probes and lifecycle hooks. */
import { check, forbidden, invalid, notSupported, required } from '../fieldErrors.ts'
import { isHttpHeaderName, isPortNumber, isPortNumberOrName } from '../names.ts'
import { checkNotNegative } from '../values.ts'
import { STOP_SIGNALS } from './signals.ts'
import type { ExecAction, GRPCAction, HTTPGetAction, Lifecycle, PodOS, Probe, SleepAction, TCPSocketAction } from '../../kinds/core/v1.ts'
import type { FieldError } from '../../status.ts'
import type { AnyContainer } from './scope.ts'

type ProbeName = 'livenessProbe' | 'readinessProbe' | 'startupProbe'

interface Handler {
  exec?: ExecAction
  httpGet?: HTTPGetAction
  tcpSocket?: TCPSocketAction
  grpc?: GRPCAction
  sleep?: SleepAction
}

const HANDLERS = ['exec', 'httpGet', 'tcpSocket', 'grpc', 'sleep'] as const
const SCHEMES = ['HTTP', 'HTTPS']

function checkHttpGet(errors: FieldError[], action: HTTPGetAction, path: string): void {
  if (!action.path) errors.push(required(`${path}.path`))
  check(errors, `${path}.port`, action.port, isPortNumberOrName(action.port))
  if (!SCHEMES.includes(action.scheme ?? '')) errors.push(notSupported(`${path}.scheme`, action.scheme ?? '', SCHEMES))
  for (const { name } of action.httpHeaders ?? []) check(errors, `${path}.httpHeaders`, name, isHttpHeaderName(name))
}

function checkAction(
  errors: FieldError[],
  handler: Handler,
  type: (typeof HANDLERS)[number],
  graceSeconds: number | undefined,
  path: string,
): void {
  const { exec, httpGet, tcpSocket, grpc, sleep } = handler
  switch (type) {
    case 'exec':
      if (!exec?.command?.length) errors.push(required(`${path}.command`))
      break
    case 'httpGet':
      if (httpGet) checkHttpGet(errors, httpGet, path)
      break
    case 'tcpSocket':
      if (tcpSocket) check(errors, `${path}.port`, tcpSocket.port, isPortNumberOrName(tcpSocket.port))
      break
    case 'grpc':
      if (grpc) check(errors, `${path}.port`, grpc.port, isPortNumber(grpc.port))
      break
    case 'sleep':
      if (sleep && graceSeconds !== undefined && (sleep.seconds < 0 || sleep.seconds > graceSeconds)) {
        errors.push(invalid(path, sleep.seconds, `must be non-negative and less than terminationGracePeriodSeconds (${graceSeconds})`))
      }
  }
}

/** Exactly one way to act. */
function checkHandler(errors: FieldError[], handler: Handler, graceSeconds: number | undefined, path: string): void {
  let found = false
  for (const type of HANDLERS) {
    if (!handler[type]) continue
    if (found) errors.push(forbidden(`${path}.${type}`, 'may not specify more than 1 handler type'))
    else checkAction(errors, handler, type, graceSeconds, `${path}.${type}`)
    found = true
  }
  if (!found) errors.push(required(path, 'must specify a handler type'))
}

function checkProbe(errors: FieldError[], probe: Probe, name: ProbeName, graceSeconds: number | undefined, path: string): void {
  checkHandler(errors, probe, graceSeconds, path)
  checkNotNegative(errors, `${path}.initialDelaySeconds`, probe.initialDelaySeconds)
  checkNotNegative(errors, `${path}.timeoutSeconds`, probe.timeoutSeconds)
  checkNotNegative(errors, `${path}.periodSeconds`, probe.periodSeconds)
  checkNotNegative(errors, `${path}.successThreshold`, probe.successThreshold)
  checkNotNegative(errors, `${path}.failureThreshold`, probe.failureThreshold)
  const grace = probe.terminationGracePeriodSeconds
  if (grace !== undefined && grace <= 0) errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must be greater than 0'))
  if (name !== 'readinessProbe') {
    const threshold = probe.successThreshold ?? 0
    if (threshold !== 1) errors.push(invalid(`${path}.successThreshold`, threshold, 'must be 1'))
  } else if (grace !== undefined)
    errors.push(invalid(`${path}.terminationGracePeriodSeconds`, grace, 'must not be set for readinessProbes'))
}

const PROBES: readonly ProbeName[] = ['livenessProbe', 'readinessProbe', 'startupProbe']

export function checkProbes(errors: FieldError[], container: AnyContainer, graceSeconds: number | undefined, path: string): void {
  for (const name of PROBES) {
    const probe = container[name]
    if (probe) checkProbe(errors, probe, name, graceSeconds, `${path}.${name}`)
  }
}

/** A container that runs to its end before the others has no use for them. */
export function forbidHooks(errors: FieldError[], container: AnyContainer, path: string): void {
  for (const name of ['lifecycle', ...PROBES] as const) {
    if (container[name]) errors.push(forbidden(`${path}.${name}`, 'may not be set for init containers without restartPolicy=Always'))
  }
}

export function checkLifecycle(
  errors: FieldError[],
  lifecycle: Lifecycle,
  graceSeconds: number | undefined,
  os: PodOS | undefined,
  path: string,
): void {
  if (lifecycle.postStart) checkHandler(errors, lifecycle.postStart, graceSeconds, `${path}.postStart`)
  if (lifecycle.preStop) checkHandler(errors, lifecycle.preStop, graceSeconds, `${path}.preStop`)
  const { stopSignal } = lifecycle
  if (stopSignal === undefined) return
  const supported = os && STOP_SIGNALS.get(os.name)
  if (!os) errors.push(forbidden(`${path}.stopSignal`, 'may not be set for containers with empty `spec.os.name`'))
  else if (supported && !supported.includes(stopSignal)) errors.push(notSupported(`${path}.stopSignal`, stopSignal, supported))
}

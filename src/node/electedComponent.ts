/** Components that run in one of several control planes at a time: whether they do, and by which Lease. */
import { hostname } from 'node:os'
import { ExtraConfigError, type ComponentOptions } from '../api/componentOptions.ts'
import { systemClock } from '../base/clock.ts'
import type { Component } from '../base/component.ts'
import type { Logger } from '../base/logger.ts'
import { Client } from '../client/client.ts'
import { createEventRecorder } from '../client/events.ts'
import { DEFAULT_LEASE_TIMING, systemMoment, underLease, type LeaseTiming } from './leaderElection.ts'
import { LeaseFence } from './leaseFence.ts'

export interface ElectionSettings extends LeaseTiming {
  /** Undefined: where the datastore is shared. */
  leaderElect?: boolean
  lease: { namespace: string; name: string }
}

export type Flags = ComponentOptions['controller-manager'] | ComponentOptions['scheduler']

function checkTimes(component: string, { leaseDurationMs, renewDeadlineMs, retryPeriodMs }: LeaseTiming): void {
  const rules: [boolean, string][] = [
    [retryPeriodMs > 0, 'leader-elect-retry-period must be greater than zero'],
    [renewDeadlineMs > retryPeriodMs, 'leader-elect-renew-deadline must be greater than leader-elect-retry-period'],
    [leaseDurationMs > renewDeadlineMs, 'leader-elect-lease-duration must be greater than leader-elect-renew-deadline'],
  ]
  const broken = rules.find(([holds]) => !holds)?.[1]
  if (broken)
    throw new ExtraConfigError(
      `${component}: ${broken}`,
      'Upstream has 15s, 10s and 2s as lease duration, renew deadline and retry period.',
    )
}

/** The flags as they are for a component that has none of its own: its Lease is another one. */
export const flagsOfGuest = ({ 'leader-elect-resource-name': _, ...flags }: Flags): Flags => flags

/** The component's flags (`--leader-elect…`, by upstream's names) count before its file. */
export function electionSettings(component: string, flags: Flags, file?: ElectionSettings): ElectionSettings {
  const leaderElect = flags['leader-elect'] ?? file?.leaderElect
  const settings: ElectionSettings = {
    leaseDurationMs: flags['leader-elect-lease-duration'] ?? file?.leaseDurationMs ?? DEFAULT_LEASE_TIMING.leaseDurationMs,
    renewDeadlineMs: flags['leader-elect-renew-deadline'] ?? file?.renewDeadlineMs ?? DEFAULT_LEASE_TIMING.renewDeadlineMs,
    retryPeriodMs: flags['leader-elect-retry-period'] ?? file?.retryPeriodMs ?? DEFAULT_LEASE_TIMING.retryPeriodMs,
    lease: {
      namespace: flags['leader-elect-resource-namespace'] ?? file?.lease.namespace ?? 'kube-system',
      name: flags['leader-elect-resource-name'] ?? file?.lease.name ?? component,
    },
    ...(leaderElect !== undefined && { leaderElect }),
  }
  checkTimes(component, settings)
  return settings
}

interface Candidacy {
  /** Of this process, among all that may lead. */
  identity: string
  /** Whether there is an election where the component's own settings don't say. */
  isDefault: boolean
  log: Logger
}

/** Makes the component with the client by which it writes. */
export type MakeComponent = (client: Client) => Component

export function candidacyOf(log: Logger, isDefault: boolean): Candidacy {
  return { identity: `${hostname()}_${crypto.randomUUID()}`, isDefault, log }
}

export function electedComponent(
  { leaderElect, lease, ...timing }: ElectionSettings,
  client: Client,
  { identity, isDefault, log }: Candidacy,
  make: MakeComponent,
): Component {
  if (!(leaderElect ?? isDefault)) return make(client)
  const fence = new LeaseFence(systemMoment)
  const component = make(new Client(fence.guard(client.transport)))
  // The scheduler's events bear its profile's name.
  const source = component.name === 'kube-scheduler' ? 'default-scheduler' : component.name
  const events = createEventRecorder({ client, component: source, log, clock: systemClock })
  return underLease(component, { client, lease, identity, fence, events, timing })
}

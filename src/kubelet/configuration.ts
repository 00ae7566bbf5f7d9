/**
 * What of a kubelet can be set, with what holds unless it is: upstream's KubeletConfiguration, its fields under their names, as
 * far as this kubelet does what they say. The defaults are upstream's but where a node that is one container of a laptop wants others.
 */
import type { ComponentOptions } from '../api/componentOptions.ts'

export type SignalName = 'memory.available' | 'nodefs.available' | 'nodefs.inodesFree' | 'pid.available'
/** A number of the signal's unit, or a share of the capacity. */
export type ThresholdValue = { amount: number } | { share: number }

export interface KubeletConfiguration {
  maxPods: number
  /** 0: as many as maxPods allows. */
  podsPerCore: number
  /** For each container; upstream's -1 sets none, and a pod that forks without end takes the whole machine with it: here that is somebody's laptop. */
  podPidsLimit: number
  /** Of cpu, memory, ephemeral-storage and pid; undefined where nothing was said: then some memory is kept nevertheless. */
  kubeReserved: Readonly<Record<string, string>> | undefined
  systemReserved: Readonly<Record<string, string>> | undefined
  /** Undefined: those that suit such a node. */
  evictionHard: Readonly<Partial<Record<SignalName, ThresholdValue>>> | undefined
  evictionPressureTransitionMs: number
  imageGcHighThresholdPercent: number
  imageGcLowThresholdPercent: number
  imageMinimumGcAgeMs: number
  containerLogMaxSizeBytes: number
  containerLogMaxFiles: number
  allowedUnsafeSysctls: readonly string[]
  /** Pods that name no seccomp profile get the engine's. */
  seccompDefault: boolean
  /** Limits of CPU time are kept. */
  cpuCfsQuota: boolean
  crashLoopMaxMs: number
}

const MIB = 2 ** 20

export const KUBELET_DEFAULTS: KubeletConfiguration = {
  maxPods: 110,
  podsPerCore: 0,
  podPidsLimit: 4096,
  kubeReserved: undefined,
  systemReserved: undefined,
  evictionHard: undefined,
  evictionPressureTransitionMs: 5 * 60_000,
  imageGcHighThresholdPercent: 85,
  imageGcLowThresholdPercent: 80,
  imageMinimumGcAgeMs: 2 * 60_000,
  containerLogMaxSizeBytes: 10 * MIB,
  containerLogMaxFiles: 5,
  allowedUnsafeSysctls: [],
  seccompDefault: false,
  cpuCfsQuota: true,
  crashLoopMaxMs: 300_000,
}

/** From the options that were set from outside, which have the names of flags. */
export function kubeletConfiguration(options: ComponentOptions['kubelet']): KubeletConfiguration {
  const given: { [K in keyof KubeletConfiguration]?: KubeletConfiguration[K] | undefined } = {
    maxPods: options['max-pods'],
    podsPerCore: options['pods-per-core'],
    podPidsLimit: options['pod-max-pids'],
    kubeReserved: options['kube-reserved'],
    systemReserved: options['system-reserved'],
    evictionHard: options['eviction-hard'] as KubeletConfiguration['evictionHard'],
    evictionPressureTransitionMs: options['eviction-pressure-transition-period'],
    imageGcHighThresholdPercent: options['image-gc-high-threshold'],
    imageGcLowThresholdPercent: options['image-gc-low-threshold'],
    imageMinimumGcAgeMs: options['minimum-image-ttl-duration'],
    containerLogMaxSizeBytes: options['container-log-max-size'],
    containerLogMaxFiles: options['container-log-max-files'],
    allowedUnsafeSysctls: options['allowed-unsafe-sysctls'],
    seccompDefault: options['seccomp-default'],
    cpuCfsQuota: options['cpu-cfs-quota'],
    crashLoopMaxMs: options['crashLoopBackOff.maxContainerRestartPeriod'],
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...KUBELET_DEFAULTS, ...(Object.fromEntries(set) as Partial<KubeletConfiguration>) }
}

const text = (value: ThresholdValue): string => ('share' in value ? `${value.share * 100}%` : String(value.amount))

/** The fields as `/configz` shows them. */
export function configurationFields(of: KubeletConfiguration): object {
  const duration = (ms: number): string => `${ms / 1000}s`
  return {
    maxPods: of.maxPods,
    ...(of.podsPerCore > 0 && { podsPerCore: of.podsPerCore }),
    podPidsLimit: of.podPidsLimit,
    ...(of.kubeReserved && { kubeReserved: of.kubeReserved }),
    ...(of.systemReserved && { systemReserved: of.systemReserved }),
    ...(of.evictionHard && {
      evictionHard: Object.fromEntries(Object.entries(of.evictionHard).map(([name, value]) => [name, text(value)])),
    }),
    evictionPressureTransitionPeriod: duration(of.evictionPressureTransitionMs),
    imageMinimumGCAge: duration(of.imageMinimumGcAgeMs),
    imageGCHighThresholdPercent: of.imageGcHighThresholdPercent,
    imageGCLowThresholdPercent: of.imageGcLowThresholdPercent,
    containerLogMaxSize: String(of.containerLogMaxSizeBytes),
    containerLogMaxFiles: of.containerLogMaxFiles,
    ...(of.allowedUnsafeSysctls.length > 0 && { allowedUnsafeSysctls: of.allowedUnsafeSysctls }),
    seccompDefault: of.seccompDefault,
    cpuCFSQuota: of.cpuCfsQuota,
    crashLoopBackOff: { maxContainerRestartPeriod: duration(of.crashLoopMaxMs) },
  }
}

/**
 * What of a kubelet can be set, with what holds unless it is: upstream's KubeletConfiguration, its fields under their names, as
 * far as this kubelet does what they say. The defaults are upstream's but where a node that is one container of a laptop wants others.
 */
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { PriorityPeriod } from '../api/componentOptionValues.ts'
import type { CredentialsVerificationPolicy } from '../api/kubeletImageOptions.ts'
import { shutdownPeriods } from '../api/shutdownPeriods.ts'

type Disk = 'nodefs' | 'imagefs' | 'containerfs'
export type SignalName = 'memory.available' | `${Disk}.available` | `${Disk}.inodesFree` | 'pid.available'
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
  /** Pods are ended for these after a while, with some grace. */
  evictionSoft: Readonly<Partial<Record<SignalName, ThresholdValue>>>
  evictionSoftGraceMs: Readonly<Partial<Record<SignalName, number>>>
  evictionMaxPodGraceSeconds: number
  /** So much beyond a threshold is given back, once pods are ended for it. */
  evictionMinimumReclaim: Readonly<Partial<Record<SignalName, ThresholdValue>>>
  evictionPressureTransitionMs: number
  imageGcHighThresholdPercent: number
  imageGcLowThresholdPercent: number
  imageMinimumGcAgeMs: number
  /** Images that nothing has used for longer go; 0: none for that. */
  imageMaximumGcAgeMs: number
  /** Which images need proof that a pod could have pulled them. */
  imagePullCredentialsVerificationPolicy: CredentialsVerificationPolicy
  /** Of NeverVerifyAllowlistedImages. */
  preloadedImagesVerificationAllowlist: readonly string[]
  /** Undefined: some at once, and one that takes long holds up no other. */
  maxParallelImagePulls: number | undefined
  containerLogMaxSizeBytes: number
  containerLogMaxFiles: number
  allowedUnsafeSysctls: readonly string[]
  /** Pods that name no seccomp profile get the engine's. */
  seccompDefault: boolean
  /** Limits of CPU time are kept. */
  cpuCfsQuota: boolean
  crashLoopMaxMs: number
  /** What pods get when the node stops, the least important first. None: the node's own bound for all, and pods keep their place. */
  shutdownPeriods: readonly PriorityPeriod[]
}

const MIB = 2 ** 20

export const KUBELET_DEFAULTS: KubeletConfiguration = {
  maxPods: 110,
  podsPerCore: 0,
  podPidsLimit: 4096,
  kubeReserved: undefined,
  systemReserved: undefined,
  evictionHard: undefined,
  evictionSoft: {},
  evictionSoftGraceMs: {},
  evictionMaxPodGraceSeconds: 0,
  evictionMinimumReclaim: {},
  evictionPressureTransitionMs: 5 * 60_000,
  imageGcHighThresholdPercent: 85,
  imageGcLowThresholdPercent: 80,
  imageMinimumGcAgeMs: 2 * 60_000,
  imageMaximumGcAgeMs: 0,
  imagePullCredentialsVerificationPolicy: 'NeverVerifyPreloadedImages',
  preloadedImagesVerificationAllowlist: [],
  maxParallelImagePulls: undefined,
  containerLogMaxSizeBytes: 10 * MIB,
  containerLogMaxFiles: 5,
  allowedUnsafeSysctls: [],
  seccompDefault: false,
  cpuCfsQuota: true,
  crashLoopMaxMs: 300_000,
  shutdownPeriods: [],
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
    evictionSoft: options['eviction-soft'] as KubeletConfiguration['evictionSoft'] | undefined,
    evictionSoftGraceMs: options['eviction-soft-grace-period'] as KubeletConfiguration['evictionSoftGraceMs'] | undefined,
    evictionMaxPodGraceSeconds: options['eviction-max-pod-grace-period'],
    evictionMinimumReclaim: options['eviction-minimum-reclaim'] as KubeletConfiguration['evictionMinimumReclaim'] | undefined,
    evictionPressureTransitionMs: options['eviction-pressure-transition-period'],
    imageGcHighThresholdPercent: options['image-gc-high-threshold'],
    imageGcLowThresholdPercent: options['image-gc-low-threshold'],
    imageMinimumGcAgeMs: options['minimum-image-ttl-duration'],
    imageMaximumGcAgeMs: options.imageMaximumGCAge,
    imagePullCredentialsVerificationPolicy: options.imagePullCredentialsVerificationPolicy as CredentialsVerificationPolicy | undefined,
    preloadedImagesVerificationAllowlist: options.preloadedImagesVerificationAllowlist,
    maxParallelImagePulls: options['serialize-image-pulls'] ? 1 : options.maxParallelImagePulls,
    containerLogMaxSizeBytes: options['container-log-max-size'],
    containerLogMaxFiles: options['container-log-max-files'],
    allowedUnsafeSysctls: options['allowed-unsafe-sysctls'],
    seccompDefault: options['seccomp-default'],
    cpuCfsQuota: options['cpu-cfs-quota'],
    crashLoopMaxMs: options['crashLoopBackOff.maxContainerRestartPeriod'],
    shutdownPeriods: shutdownPeriods(options),
  }
  const set = Object.entries(given).filter(([, value]) => value !== undefined)
  return { ...KUBELET_DEFAULTS, ...(Object.fromEntries(set) as Partial<KubeletConfiguration>) }
}

const text = (value: ThresholdValue): string => ('share' in value ? `${value.share * 100}%` : String(value.amount))

/** The fields as `/configz` shows them. */
export function configurationFields(of: KubeletConfiguration): object {
  const duration = (ms: number): string => `${ms / 1000}s`
  const each = <T>(name: string, values: Readonly<Partial<Record<SignalName, T>>> | undefined, show: (value: T) => string): object => {
    const entries = Object.entries(values ?? {}) as [string, T][]
    return entries.length > 0 ? { [name]: Object.fromEntries(entries.map(([signal, value]) => [signal, show(value)])) } : {}
  }
  return {
    maxPods: of.maxPods,
    ...(of.podsPerCore > 0 && { podsPerCore: of.podsPerCore }),
    podPidsLimit: of.podPidsLimit,
    ...(of.kubeReserved && { kubeReserved: of.kubeReserved }),
    ...(of.systemReserved && { systemReserved: of.systemReserved }),
    ...each('evictionHard', of.evictionHard, text),
    ...each('evictionSoft', of.evictionSoft, text),
    ...each('evictionSoftGracePeriod', of.evictionSoftGraceMs, duration),
    ...each('evictionMinimumReclaim', of.evictionMinimumReclaim, text),
    ...(of.evictionMaxPodGraceSeconds > 0 && { evictionMaxPodGracePeriod: of.evictionMaxPodGraceSeconds }),
    evictionPressureTransitionPeriod: duration(of.evictionPressureTransitionMs),
    imageMinimumGCAge: duration(of.imageMinimumGcAgeMs),
    imageMaximumGCAge: duration(of.imageMaximumGcAgeMs),
    imageGCHighThresholdPercent: of.imageGcHighThresholdPercent,
    imageGCLowThresholdPercent: of.imageGcLowThresholdPercent,
    imagePullCredentialsVerificationPolicy: of.imagePullCredentialsVerificationPolicy,
    ...(of.preloadedImagesVerificationAllowlist.length > 0 && {
      preloadedImagesVerificationAllowlist: of.preloadedImagesVerificationAllowlist,
    }),
    serializeImagePulls: of.maxParallelImagePulls === 1,
    ...(of.maxParallelImagePulls !== undefined && { maxParallelImagePulls: of.maxParallelImagePulls }),
    containerLogMaxSize: String(of.containerLogMaxSizeBytes),
    containerLogMaxFiles: of.containerLogMaxFiles,
    ...(of.allowedUnsafeSysctls.length > 0 && { allowedUnsafeSysctls: of.allowedUnsafeSysctls }),
    seccompDefault: of.seccompDefault,
    cpuCFSQuota: of.cpuCfsQuota,
    ...(of.shutdownPeriods.length > 0 && {
      shutdownGracePeriodByPodPriority: of.shutdownPeriods.map(({ priority, seconds }) => ({
        priority,
        shutdownGracePeriodSeconds: seconds,
      })),
    }),
    crashLoopBackOff: { maxContainerRestartPeriod: duration(of.crashLoopMaxMs) },
  }
}

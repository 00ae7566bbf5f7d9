/** Encryption of what is stored, as the API server's flags ask for it. Its ciphers are loaded by those alone who have it. */
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Encryption } from '../apiserver/encryption/encryption.ts'
import type { Metrics } from '../apiserver/metrics/metrics.ts'
import { EncryptionMetrics } from '../apiserver/metrics/encryptionMetrics.ts'
import { FollowedFile } from './followedFile.ts'

export interface StoreEncryption {
  encryption: Encryption
  register(registry: Metrics['registry']): void
  /** Reads the file again where that was asked for, until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
}

/** Undefined where nothing is encrypted. Throws a ConfigurationFileError. */
export async function openEncryption(
  flags: ComponentOptions['apiserver'],
  { log, clock }: { log: Logger; clock: Clock },
): Promise<StoreEncryption | undefined> {
  const { 'encryption-provider-config': option, 'encryption-provider-config-automatic-reload': reloads = false } = flags
  if (option === undefined) return undefined
  const { Encryption } = await import('../apiserver/encryption/encryption.ts')
  const file = new FollowedFile({ option, subject: 'encryption', log, clock })
  const metrics = new EncryptionMetrics()
  const encryption = new Encryption(file.text, metrics)
  return {
    encryption,
    register(registry) {
      metrics.register(registry)
      file.metrics.register(registry)
    },
    follow: (signal) => (reloads ? file.follow((text) => void encryption.replace(text), signal) : Promise.resolve()),
  }
}

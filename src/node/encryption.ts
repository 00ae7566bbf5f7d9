/** Encryption of what is stored, as the API server's flags ask for it. Its ciphers are loaded by those alone who have it. */
import { hostname } from 'node:os'
import type { ComponentOptions } from '../api/componentOptions.ts'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/logger.ts'
import type { Encryption } from '../apiserver/encryption/encryption.ts'
import { serverIdentity } from '../apiserver/membership/identityLease.ts'
import { EncryptionMetrics } from '../apiserver/metrics/encryptionMetrics.ts'
import { contentsOf, followFile } from './followedFile.ts'

export interface StoreEncryption {
  encryption: Encryption
  metrics: EncryptionMetrics
  /** Reads the file again where that was asked for, until the signal aborts. */
  follow(signal: AbortSignal): Promise<void>
}

/** Undefined where nothing is encrypted. Throws a ConfigurationFileError. */
export async function openEncryption(
  flags: ComponentOptions['apiserver'],
  { log, clock }: { log: Logger; clock: Clock },
): Promise<StoreEncryption | undefined> {
  const { 'encryption-provider-config': file, 'encryption-provider-config-automatic-reload': reloads } = flags
  if (file === undefined) return undefined
  const { Encryption } = await import('../apiserver/encryption/encryption.ts')
  const metrics = new EncryptionMetrics(serverIdentity(hostname()))
  const encryption = new Encryption(contentsOf(file), metrics)
  const take = (text: string): void => {
    if (!encryption.replace(text)) return
    metrics.reloaded('success', clock.now())
    log.info('objects are encrypted by another configuration', { file })
  }
  const failed = (error: unknown): void => {
    metrics.reloaded('failure', clock.now())
    log.error(`error processing encryption config file ${file}`, error)
  }
  return {
    encryption,
    metrics,
    follow: (signal) => (reloads ? followFile(file, { take, failed, clock, signal }) : Promise.resolve()),
  }
}

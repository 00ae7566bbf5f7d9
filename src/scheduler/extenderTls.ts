/**
 * What an extender's connections are made with: certificates of the configuration itself, or of files beside the scheduler. As in
 * client-go, what is written in the configuration goes before files, an authority is read once, and a pair of files each time.
 */
import { X509Certificate } from 'node:crypto'
import { readFileSync } from 'node:fs'
import type { SecureContextOptions } from 'node:tls'
import { keyPairError } from '../api/validation/keyPair.ts'
import type { ExtenderConfiguration } from './configuration/extenders.ts'
import { ConfigurationError } from './pluginPoints.ts'

export interface TlsOptions extends SecureContextOptions {
  rejectUnauthorized: boolean
  servername?: string
}

function readPem(file: string): string {
  try {
    return readFileSync(file, 'utf8')
  } catch (cause) {
    const isMissing = (cause as NodeJS.ErrnoException).code === 'ENOENT'
    throw new ConfigurationError(`open ${file}: ${isMissing ? 'no such file or directory' : String(cause)}`, { cause })
  }
}

function holdsCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).raw.length > 0
  } catch {
    return false
  }
}

/** @throws ConfigurationError where what is given does not fit together, or a file is not there. */
export function extenderTls({ tls = { insecure: false }, enableHttps }: ExtenderConfiguration): () => TlsOptions {
  const { insecure, serverName, cert, certFile, key, keyFile, ca, caFile } = tls
  const hasAuthority = Boolean(ca ?? caFile)
  // Whoever asks for HTTPS and says of no authority whom to trust trusts everybody.
  const trustsAll = insecure || (enableHttps && !hasAuthority)
  if (trustsAll && hasAuthority) throw new ConfigurationError('specifying a root certificates file with the insecure flag is not allowed')
  const authority = hasAuthority ? (ca ?? readPem(caFile as string)) : undefined
  if (authority !== undefined && !holdsCertificate(authority))
    throw new ConfigurationError('unable to load root certificates: unable to parse bytes as PEM block')
  const common: TlsOptions = {
    rejectUnauthorized: !trustsAll,
    ...(serverName && { servername: serverName }),
    ...(authority && { ca: authority }),
  }
  // A certificate without its key, or a key without its certificate, is none.
  if (!(cert ?? certFile) || !(key ?? keyFile)) return () => common
  const read = (): { cert: string; key: string } => ({ cert: cert ?? readPem(certFile as string), key: key ?? readPem(keyFile as string) })
  const pair = read()
  if (cert === undefined && key === undefined) return () => ({ ...common, ...read() })
  const why = keyPairError(pair.cert, pair.key)
  if (why) throw new ConfigurationError(why)
  return () => ({ ...common, ...pair })
}

/** What the host needs to call the cluster's API server as its administrator, kept in the profile. */
import { readFile } from 'node:fs/promises'
import { profilePaths, writeFileAtomic } from './home.ts'
import type { ClusterEntry } from './kubeconfig/document.ts'
import { isErrorCode } from './userError.ts'

export interface Credentials {
  server: string
  /** All three in PEM. */
  ca: string
  cert: string
  key: string
}

export function kubeconfigEntry(name: string, credentials: Credentials): ClusterEntry {
  const encode = (pem: string): string => Buffer.from(pem).toString('base64')
  return {
    name,
    server: credentials.server,
    certificateAuthorityData: encode(credentials.ca),
    clientCertificateData: encode(credentials.cert),
    clientKeyData: encode(credentials.key),
  }
}

export async function writeCredentials(home: string, profile: string, credentials: Credentials): Promise<void> {
  await writeFileAtomic(profilePaths(home, profile).credentials, `${JSON.stringify(credentials, null, 2)}\n`)
}

export async function readCredentials(home: string, profile: string): Promise<Credentials | undefined> {
  try {
    return JSON.parse(await readFile(profilePaths(home, profile).credentials, 'utf8')) as Credentials
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR') || error instanceof SyntaxError) return undefined
    throw error
  }
}

/** What the host needs to call the cluster's API server as its administrator: fetched from the node once, kept in the profile. */
import type Docker from 'dockerode'
import { readFile } from 'node:fs/promises'
import { finished } from 'node:stream/promises'
import tar from 'tar-stream'
import { parse } from 'yaml'
import { profilePaths, writeFileAtomic } from './home.ts'
import type { ClusterEntry } from './kubeconfig/document.ts'
import { isErrorCode, UserError } from './userError.ts'

export interface Credentials {
  server: string
  /** All three in PEM. */
  ca: string
  cert: string
  key: string
}

const ADMIN_KUBECONFIG = '/var/lib/minicube/admin.kubeconfig'
const SIZE_LIMIT_BYTES = 1 << 20

/** Reads the node's own admin kubeconfig, and turns it to the port on the host. */
export async function fetchCredentials(container: Docker.Container, hostApiPort: number): Promise<Credentials> {
  const archive = (await container.getArchive({ path: ADMIN_KUBECONFIG })) as NodeJS.ReadableStream
  const chunks: Buffer[] = []
  let sizeBytes = 0
  const extract = tar.extract()
  extract.on('entry', (_header, content, next) => {
    content.on('data', (data) => {
      const chunk = data as Buffer
      sizeBytes += chunk.length
      if (sizeBytes > SIZE_LIMIT_BYTES) extract.destroy(new Error(`${ADMIN_KUBECONFIG} is larger than a kubeconfig`))
      else chunks.push(chunk)
    })
    content.on('end', next)
  })
  const done = finished(extract as unknown as NodeJS.WritableStream)
  archive.pipe(extract as unknown as NodeJS.WritableStream)
  await done
  return parseAdminKubeconfig(Buffer.concat(chunks).toString(), hostApiPort)
}

interface AdminKubeconfig {
  clusters: { cluster: { 'certificate-authority-data': string } }[]
  users: { user: { 'client-certificate-data': string; 'client-key-data': string } }[]
}

export function parseAdminKubeconfig(text: string, hostApiPort: number): Credentials {
  const config = parse(text) as AdminKubeconfig | null
  const cluster = config?.clusters[0]?.cluster
  const user = config?.users[0]?.user
  if (!cluster || !user) throw new UserError({ area: 'K8S', sort: 'CONFIG', message: `the node's ${ADMIN_KUBECONFIG} has no cluster or no user` })
  const decode = (text64: string): string => Buffer.from(text64, 'base64').toString()
  return {
    server: `https://127.0.0.1:${hostApiPort}`,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  }
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

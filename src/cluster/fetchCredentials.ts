/** Fetches the administrator's credentials from the node, which made them. */
import type Docker from 'dockerode'
import { finished } from 'node:stream/promises'
import tar from 'tar-stream'
import { parse } from 'yaml'
import type { Credentials } from './credentials.ts'
import { UserError } from './userError.ts'

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
  if (!cluster || !user)
    throw new UserError({ area: 'K8S', sort: 'CONFIG', message: `the node's ${ADMIN_KUBECONFIG} has no cluster or no user` })
  const decode = (text64: string): string => Buffer.from(text64, 'base64').toString()
  return {
    server: `https://127.0.0.1:${hostApiPort}`,
    ca: decode(cluster['certificate-authority-data']),
    cert: decode(user['client-certificate-data']),
    key: decode(user['client-key-data']),
  }
}

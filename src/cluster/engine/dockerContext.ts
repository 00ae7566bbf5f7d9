/** Reads the docker CLI's contexts: which one is current, and the endpoint of each. Docker's own file layout. */
import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { isErrorCode } from '../userError.ts'
import type { EngineAddress, EngineTls } from './address.ts'

interface ContextMeta {
  Endpoints?: { docker?: { Host?: string; SkipTLSVerify?: boolean } }
}

async function readIfThere(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if (isErrorCode(error, 'ENOENT', 'ENOTDIR', 'EACCES')) return undefined
    throw error
  }
}

/** The name of the current context, undefined for docker's built-in one. A broken config.json counts as none, as for docker. */
export async function currentContext(dockerConfig: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const named = env.DOCKER_CONTEXT
  if (named) return named === 'default' ? undefined : named
  const text = await readIfThere(join(dockerConfig, 'config.json'))
  if (!text) return undefined
  try {
    const { currentContext: name } = JSON.parse(text) as { currentContext?: string }
    return name && name !== 'default' ? name : undefined
  } catch {
    return undefined
  }
}

export async function readTls(directory: string): Promise<EngineTls> {
  const [ca, cert, key] = await Promise.all(['ca.pem', 'cert.pem', 'key.pem'].map((file) => readIfThere(join(directory, file))))
  return { ...(ca && { ca }), ...(cert && { cert }), ...(key && { key }) }
}

/** The folders of a context are named by the SHA-256 of its name. */
export async function contextAddress(dockerConfig: string, name: string): Promise<EngineAddress | undefined> {
  const id = createHash('sha256').update(name).digest('hex')
  const text = await readIfThere(join(dockerConfig, 'contexts', 'meta', id, 'meta.json'))
  if (!text) return undefined
  const endpoint = (JSON.parse(text) as ContextMeta).Endpoints?.docker
  if (!endpoint?.Host) return undefined
  const source = `docker context ${name}`
  if (endpoint.Host.startsWith('unix://')) return { host: endpoint.Host, source }
  const tls = await readTls(join(dockerConfig, 'contexts', 'tls', id, 'docker'))
  const secure = tls.ca !== undefined || tls.cert !== undefined || endpoint.SkipTLSVerify
  return { host: endpoint.Host, source, ...(secure && { tls: { ...tls, ...(endpoint.SkipTLSVerify && { rejectUnauthorized: false }) } }) }
}

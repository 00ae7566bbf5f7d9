/**
 * `/statusz`: what runs here and since when, as text for people and as a document of config.k8s.io for those who ask for one
 * (component-base zpages/statusz).
 */
import { encodeYaml } from '../../api/codec/yaml.ts'
import { timestamp } from '../../api/meta.ts'
import { headerText } from './apiRequests.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import { newNotAcceptable, parseAccept } from './negotiation.ts'
import type { AcceptClause } from './negotiation.ts'
import { send } from './responses.ts'
import { versionDocument } from './serverPaths.ts'
import type { VersionInfo } from './serverPaths.ts'

export const STATUS_PATH = '/statusz'
const TEXT = 'text/plain; charset=utf-8'
const REPRESENTATIONS = 'application/json, application/yaml, text/plain'
const VERSIONS = new Set(['v1alpha1', 'v1beta1'])
const DEPRECATED = 'This version of the statusz endpoint is deprecated. Please use a newer version.'
const CAUTION =
  'This endpoint is not meant to be machine parseable, has no formatting compatibility guarantees and is for debugging purposes only.'
const PATHS = ['/healthz', '/livez', '/metrics', '/readyz', STATUS_PATH, '/version']

interface Chosen {
  type: 'text/plain' | 'application/json' | 'application/yaml'
  /** Of the document; '' for text. */
  version: string
}

function chosenOf({ type, params }: AcceptClause): Chosen | undefined {
  if (type === '*/*' || type === 'text/*' || type === 'text/plain') return { type: 'text/plain', version: '' }
  if (type !== 'application/json' && type !== 'application/yaml') return undefined
  const { as, g, v = '' } = params
  return as === 'Statusz' && g === 'config.k8s.io' && VERSIONS.has(v) ? { type, version: v } : undefined
}

/** Throws 406. */
export function negotiateStatus(accept: string): Chosen {
  if (accept.trim() === '') return { type: 'text/plain', version: '' }
  for (const clause of parseAccept(accept)) {
    const chosen = chosenOf(clause)
    if (chosen) return chosen
  }
  throw newNotAcceptable(REPRESENTATIONS)
}

const two = (count: number): string => String(count).padStart(2, '0')

export class StatusPath implements PathHandler {
  readonly #version: VersionInfo
  readonly #now: () => number
  readonly #startMs: number

  constructor({ version, now }: { version: VersionInfo; now: () => number }) {
    this.#version = version
    this.#now = now
    this.#startMs = now()
  }

  async handle({ exchange, path }: RequestContext): Promise<boolean> {
    if (path !== STATUS_PATH) return false
    const { type, version } = negotiateStatus(headerText(exchange, 'accept'))
    if (type === 'text/plain') {
      await send(exchange, 200, TEXT, Buffer.from(this.#text()))
      return true
    }
    if (version === 'v1alpha1') exchange.setHeader('warning', `299 - ${JSON.stringify(DEPRECATED)}`)
    const document = this.#document(version)
    const text = type === 'application/json' ? `${JSON.stringify(document)}\n` : encodeYaml(document)
    await send(exchange, 200, `${type};g=config.k8s.io;v=${version};as=Statusz`, Buffer.from(text))
    return true
  }

  get #facts(): { goVersion: string; binaryVersion: string; emulationVersion: string; uptimeSeconds: number } {
    const { gitVersion, goVersion, emulationMajor, emulationMinor } = versionDocument(this.#version)
    return {
      goVersion,
      binaryVersion: gitVersion.replace(/^v/, ''),
      emulationVersion: `${emulationMajor}.${emulationMinor}`,
      uptimeSeconds: Math.floor((this.#now() - this.#startMs) / 1000),
    }
  }

  #text(): string {
    const { goVersion, binaryVersion, emulationVersion, uptimeSeconds } = this.#facts
    const [hours, minutes] = [Math.floor(uptimeSeconds / 3600), Math.floor(uptimeSeconds / 60) % 60]
    const started = new Date(this.#startMs).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) (\S+) GMT$/, '$1 $3 $2 $5 UTC $4')
    return [
      '',
      'apiserver statusz',
      `Warning: ${CAUTION}`,
      '',
      `Started: ${started}`,
      `Up: ${hours} hr ${two(minutes)} min ${two(uptimeSeconds % 60)} sec`,
      `Go version: ${goVersion}`,
      `Binary version: ${binaryVersion}`,
      `Emulation version: ${emulationVersion}`,
      `Paths: ${PATHS.join(' ')}`,
      '',
    ].join('\n')
  }

  #document(version: string): object {
    const { goVersion, binaryVersion, emulationVersion, uptimeSeconds } = this.#facts
    return {
      kind: 'Statusz',
      apiVersion: `config.k8s.io/${version}`,
      metadata: { name: 'apiserver' },
      startTime: timestamp(this.#startMs),
      uptimeSeconds,
      goVersion,
      binaryVersion,
      emulationVersion,
      paths: PATHS,
    }
  }
}

/** `/statusz`: what runs here and since when. */
import { timestamp } from '../../api/meta.ts'
import type { PathHandler, RequestContext } from './filters.ts'
import { versionDocument } from './serverPaths.ts'
import type { VersionInfo } from './serverPaths.ts'
import { FLAGS_PATH, sendPage } from './zpages.ts'

export const STATUS_PATH = '/statusz'
const PATHS = [FLAGS_PATH, '/healthz', '/livez', '/metrics', '/readyz', STATUS_PATH, '/version']

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

  async handle(context: RequestContext): Promise<boolean> {
    if (context.path !== STATUS_PATH) return false
    await sendPage(context, { kind: 'Statusz', lines: this.#lines(), fields: this.#fields() })
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

  #lines(): string[] {
    const { goVersion, binaryVersion, emulationVersion, uptimeSeconds } = this.#facts
    const [hours, minutes] = [Math.floor(uptimeSeconds / 3600), Math.floor(uptimeSeconds / 60) % 60]
    const started = new Date(this.#startMs).toUTCString().replace(/^(\w+), (\d+) (\w+) (\d+) (\S+) GMT$/, '$1 $3 $2 $5 UTC $4')
    return [
      '',
      `Started: ${started}`,
      `Up: ${hours} hr ${two(minutes)} min ${two(uptimeSeconds % 60)} sec`,
      `Go version: ${goVersion}`,
      `Binary version: ${binaryVersion}`,
      `Emulation version: ${emulationVersion}`,
      `Paths: ${PATHS.join(' ')}`,
    ]
  }

  #fields(): object {
    const { goVersion, binaryVersion, emulationVersion, uptimeSeconds } = this.#facts
    return {
      startTime: timestamp(this.#startMs),
      uptimeSeconds,
      goVersion,
      binaryVersion,
      emulationVersion,
      paths: PATHS,
    }
  }
}

/**
 * What the kubelet has to remember of the images that it pulls, on disk: a file for each image that it pulled, and one for each
 * pull while it lasts. Folders, names and contents are upstream's (ImagePulledRecord, ImagePullIntent), with a field more:
 * an image that was brought by hand before it was pulled, or since, stays one of those.
 */
import { createHash } from 'node:crypto'
import { mkdir, readdir, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { replaceFile } from '../../base/replaceFile.ts'

/** Where credentials are from; the hash tells the same ones elsewhere without saying them. */
export interface PullSecret {
  namespace: string
  name: string
  uid: string
  credentialHash: string
}

/** Who may use an image: every pod of the node, or those with one of these secrets. */
export interface PullCredentials {
  nodePodsAccessible?: boolean
  kubernetesSecrets?: readonly PullSecret[]
}

export interface PulledRecord {
  lastUpdatedTime: string
  /** The image's id. */
  imageRef: string
  /** By repository. */
  credentialMapping: Readonly<Record<string, PullCredentials>>
  preloaded?: boolean
}

export interface PullIntent {
  image: string
  /** Ids of the images that were there before, and not by a pull. */
  preloaded?: readonly string[]
}

interface Records {
  pulled: PulledRecord
  pulling: PullIntent
}

const API_VERSION = 'kubelet.config.k8s.io/v1beta1'
const KINDS = { pulled: 'ImagePulledRecord', pulling: 'ImagePullIntent' } as const
const KEYS = { pulled: 'imageRef', pulling: 'image' } as const

/** The name of the file about an image's id, or about a pull of its name. */
export function recordName(of: string): string {
  return `sha256-${createHash('sha256').update(of).digest('hex')}`
}

export class PullRecords {
  readonly #directory: string
  #writing: Promise<void> = Promise.resolve()

  constructor(directory: string) {
    this.#directory = directory
  }

  /** By file name; undefined for one that cannot be read. */
  async read<F extends keyof Records>(folder: F): Promise<Map<string, Records[F] | undefined>> {
    const directory = join(this.#directory, folder)
    await mkdir(directory, { recursive: true, mode: 0o700 })
    const names = (await readdir(directory)).filter((name) => /^sha256-[0-9a-f]{64}$/.test(name))
    return new Map(await Promise.all(names.map(async (name) => [name, await this.#readOne(folder, name)] as const)))
  }

  async #readOne<F extends keyof Records>(folder: F, name: string): Promise<Records[F] | undefined> {
    try {
      const record = JSON.parse(await readFile(join(this.#directory, folder, name), 'utf8')) as { kind?: string } & Record<string, unknown>
      const isWhole = record.kind === KINDS[folder] && recordName(String(record[KEYS[folder]])) === name
      return isWhole ? (record as unknown as Records[F]) : undefined
    } catch {
      return undefined
    }
  }

  /** On disk once it resolves, as a whole. */
  write<F extends keyof Records>(folder: F, record: Records[F]): Promise<void> {
    const of = 'image' in record ? record.image : record.imageRef
    const text = JSON.stringify({ kind: KINDS[folder], apiVersion: API_VERSION, ...record })
    return this.#inTurn(() => replaceFile(join(this.#directory, folder, recordName(of)), text))
  }

  remove(folder: keyof Records, name: string): Promise<void> {
    return this.#inTurn(() => rm(join(this.#directory, folder, name), { force: true }))
  }

  /** What is written later is what holds. */
  #inTurn(work: () => Promise<void>): Promise<void> {
    const done = this.#writing.then(work)
    this.#writing = done.catch(() => {})
    return done
  }
}

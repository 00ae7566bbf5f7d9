/**
 * Which images the kubelet pulled, and by whose credentials. Those can be had again, so they may be removed; and a pod that
 * could not have pulled one may not use it because it is there (upstream's pkg/kubelet/images/pullmanager). What a person
 * loaded, or what came with the node, is nobody's secret and stays.
 */
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { KubeletMeasures } from '../metrics/measures.ts'
import type { Image, Runtime } from '../runtime/runtime.ts'
import { repositoryOf } from './imageNames.ts'
import { recordName, PullRecords, type PullCredentials, type PulledRecord, type PullIntent, type PullSecret } from './pullRecords.ts'
import { mustVerify, type VerificationPolicy } from './verificationPolicy.ts'

/** More secrets that fit an image as well need not be noted. */
const MAX_NOTED_SECRETS = 100

export interface PulledImagesOptions {
  /** Where it is kept. */
  directory: string
  policy: VerificationPolicy
  runtime: Pick<Runtime, 'images' | 'imageStatus'>
  measures: Pick<KubeletMeasures, 'count' | 'set'>
  clock: Pick<Clock, 'now'>
  log: Logger
}

type Verdict = 'credentialPolicyAllowed' | 'credentialRecordFound' | 'mustAuthenticate' | 'error'

interface Known {
  /** By the names of their files; undefined where one cannot be read: then nobody is known who may use the image. */
  pulled: Map<string, PulledRecord | undefined>
  /** How many pulls of a name are under way. */
  pulling: Map<string, number>
  /** Ids of images that were there, and not by a pull, before those pulls began. */
  brought?: Promise<Set<string>> | undefined
}

/** To be called when the pull is over, with what came of it unless it failed. */
export type EndOfPull = (outcome?: Outcome) => Promise<void>

interface Outcome {
  image: Image
  /** The one whose credentials the registry took; undefined where it took the node's, or wanted none. */
  secret: PullSecret | undefined
}

const isSame = (a: PullSecret, b: PullSecret): boolean => a.uid === b.uid && a.namespace === b.namespace && a.name === b.name

/** Without a secret the image was had by every pod's means. Pure. */
export function withSecret(before: PullCredentials | undefined, secret: PullSecret | undefined): PullCredentials {
  if (before?.nodePodsAccessible || !secret) return { nodePodsAccessible: true }
  return { kubernetesSecrets: [...(before?.kubernetesSecrets ?? []).filter((one) => !isSame(one, secret)), secret] }
}

const emptyRecord = (id: string): PulledRecord => ({ lastUpdatedTime: '', imageRef: id, credentialMapping: {} })

function allowing(record: PulledRecord, image: string, secret: PullSecret | undefined): PulledRecord {
  const repository = repositoryOf(image)
  const allowed = withSecret(record.credentialMapping[repository], secret)
  return { ...record, credentialMapping: { ...record.credentialMapping, [repository]: allowed } }
}

export class PulledImages {
  readonly #options: PulledImagesOptions
  readonly #records: PullRecords
  #known: Promise<Known> | undefined

  constructor(options: PulledImagesOptions) {
    this.#options = options
    this.#records = new PullRecords(options.directory)
  }

  /** Can it be had again? */
  async canBePulled(id: string): Promise<boolean> {
    const record = (await this.#read()).pulled.get(recordName(id))
    return record !== undefined && !record.preloaded
  }

  /** Throws where it cannot be noted: an image that came from nowhere would be everybody's. */
  async begin(image: string): Promise<EndOfPull> {
    const known = await this.#read()
    this.#underWay(known, image, 1)
    try {
      known.brought ??= this.#listBrought(known)
      const brought = await known.brought
      await this.#records.write('pulling', { image, preloaded: [...brought] })
      this.#measure(known)
      return (outcome) => this.#end(known, image, brought, outcome)
    } catch (error) {
      this.#underWay(known, image, -1)
      throw new Error(`Failed to record image pull intent for container image "${image}": ${String(error)}`, { cause: error })
    }
  }

  async #end(known: Known, image: string, brought: ReadonlySet<string>, outcome?: Outcome): Promise<void> {
    try {
      if (outcome) await this.#note(known, image, outcome, brought)
      // A pull that nobody waited for any more may have brought the image all the same.
      else await this.#noteStray(known, image, brought)
      if (this.#underWay(known, image, -1) === 0) await this.#records.remove('pulling', recordName(image))
      this.#measure(known)
    } catch (error) {
      // It stays under way: the image remains one of which proof is wanted.
      this.#tell(error)
    }
  }

  async #listBrought({ pulled }: Known): Promise<Set<string>> {
    const ids = (await this.#options.runtime.images()).map(({ id }) => id)
    return new Set(ids.filter((id) => pulled.get(recordName(id))?.preloaded ?? !pulled.has(recordName(id))))
  }

  /** Whether a pod may use an image that is there. `secrets`: those it could pull it with; asked for only if that matters. */
  async mayUse({ id }: Image, image: string, secrets: () => Promise<readonly PullSecret[]>): Promise<boolean> {
    const verdict = await this.#verdict(id, image, secrets)
    this.#options.measures.count('kubelet_imagemanager_image_mustpull_checks_total', { result: verdict })
    return verdict === 'credentialPolicyAllowed' || verdict === 'credentialRecordFound'
  }

  async #verdict(id: string, image: string, secrets: () => Promise<readonly PullSecret[]>): Promise<Verdict> {
    const { policy, log } = this.#options
    const known = await this.#read().catch((error: unknown) =>
      log.warn('records of pulled images cannot be read', { error: String(error) }),
    )
    if (!known) return 'error'
    if (!mustVerify(policy, image, await this.#wasPulled(known, image, id))) return 'credentialPolicyAllowed'
    const record = known.pulled.get(recordName(id))
    const allowed = record?.credentialMapping[repositoryOf(image)]
    if (allowed?.nodePodsAccessible) return 'credentialRecordFound'
    const noted = allowed?.kubernetesSecrets ?? []
    if (!record || noted.length === 0) return 'mustAuthenticate'
    // A secret that changed is still the one with which it was pulled; one that says the same is as good.
    const own = (await secrets()).find((one) => noted.some((other) => one.credentialHash === other.credentialHash || isSame(one, other)))
    if (!own) return 'mustAuthenticate'
    const isNoted = noted.some((one) => one.credentialHash === own.credentialHash && isSame(one, own))
    if (!isNoted && noted.length < MAX_NOTED_SECRETS) await this.#write(known, allowing(record, image, own)).catch(this.#tell)
    return 'credentialRecordFound'
  }

  async #wasPulled({ pulled, pulling, brought }: Known, image: string, id: string): Promise<boolean> {
    const name = recordName(id)
    if (pulled.has(name)) return !pulled.get(name)?.preloaded
    return pulling.has(recordName(image)) && !(await brought?.catch(() => undefined))?.has(id)
  }

  /** Answers how many pulls of the name are under way now. */
  #underWay(known: Known, image: string, more: 1 | -1): number {
    const { pulling } = known
    const name = recordName(image)
    const count = Math.max(0, (pulling.get(name) ?? 0) + more)
    if (count > 0) pulling.set(name, count)
    else pulling.delete(name)
    if (![...pulling.values()].some((one) => one > 0)) known.brought = undefined
    return count
  }

  /** A person loaded it: whether or not it was pulled before, it could not be had again. */
  async broughtByHand(id: string): Promise<void> {
    try {
      const known = await this.#read()
      const name = recordName(id)
      known.brought?.then((ids) => ids.add(id)).catch(() => {})
      if (known.pulled.has(name)) await this.#write(known, { ...(known.pulled.get(name) ?? emptyRecord(id)), preloaded: true })
    } catch (error) {
      this.#tell(error)
    }
  }

  /** Those that were there when the others were looked at, and are not any more. */
  async forgetAllBut(ids: Iterable<string>, seenMs: number): Promise<void> {
    const { pulled } = await this.#read()
    const there = new Set([...ids].map(recordName))
    const gone = [...pulled].filter(([name, record]) => !there.has(name) && Date.parse(record?.lastUpdatedTime ?? '') < seenMs)
    for (const [, record] of gone) if (record) await this.forget(record.imageRef)
  }

  /** It is there no more. */
  async forget(id: string): Promise<void> {
    const known = await this.#read()
    if (!known.pulled.delete(recordName(id))) return
    await this.#records.remove('pulled', recordName(id))
    this.#measure(known)
  }

  async #note(known: Known, image: string, { image: { id }, secret }: Outcome, brought: ReadonlySet<string>): Promise<void> {
    const { preloaded: _, ...record } = known.pulled.get(recordName(id)) ?? emptyRecord(id)
    await this.#write(known, { ...allowing(record, image, secret), ...(brought.has(id) && { preloaded: true }) })
  }

  readonly #tell = (error: unknown): void =>
    this.#options.log.warn('what is known of an image could not be noted', { error: String(error) })

  async #write(known: Known, record: PulledRecord): Promise<void> {
    const dated = { ...record, lastUpdatedTime: new Date(this.#options.clock.now()).toISOString() }
    known.pulled.set(recordName(record.imageRef), dated)
    await this.#records.write('pulled', dated)
    this.#measure(known)
  }

  /** Throws while the records cannot be had; the next call tries again. */
  #read(): Promise<Known> {
    if (!this.#known) {
      const reading = (this.#known = this.#load())
      reading.catch(() => (this.#known = undefined))
    }
    return this.#known
  }

  async #load(): Promise<Known> {
    const [pulled, intents] = await Promise.all([this.#records.read('pulled'), this.#records.read('pulling')])
    const known: Known = { pulled, pulling: new Map([...intents.keys()].map((name) => [name, 0])) }
    for (const [name, intent] of intents) {
      if (!intent) continue
      try {
        await this.#settle(known, name, intent)
      } catch (error) {
        this.#options.log.warn('what came of a pull is not known', { image: intent.image, error: String(error) })
      }
    }
    this.#measure(known)
    return known
  }

  /** A pull that no kubelet saw ending: if it brought the image, it was pulled, nobody knows by whom. */
  async #settle(known: Known, name: string, { image, preloaded = [] }: PullIntent): Promise<void> {
    await this.#noteStray(known, image, new Set(preloaded))
    known.pulling.delete(name)
    await this.#records.remove('pulling', name)
  }

  async #noteStray(known: Known, image: string, brought: ReadonlySet<string>): Promise<void> {
    const found = await this.#options.runtime.imageStatus(image)
    if (found && !brought.has(found.id) && !known.pulled.has(recordName(found.id))) await this.#write(known, emptyRecord(found.id))
  }

  #measure({ pulled, pulling }: Known): void {
    this.#options.measures.set('kubelet_imagemanager_ondisk_pulledrecords', pulled.size)
    this.#options.measures.set('kubelet_imagemanager_ondisk_pullintents', pulling.size)
  }
}

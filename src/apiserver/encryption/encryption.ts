/**
 * Objects encrypted in the store (upstream's --encryption-provider-config): which resources, by which provider. The file may be
 * read again while the server runs; a file that is wrong then changes nothing.
 */
import type { GroupResource } from '../../api/status.ts'
import type { Transformation } from '../cache/storedValues.ts'
import type { EncryptionMetrics } from '../metrics/encryptionMetrics.ts'
import { ConfigurationFileError } from '../configuration/configurationFile.ts'
import { parseEncryptionConfiguration, parseGroupResource } from './configuration.ts'
import type { EncryptionConfiguration, Provider } from './configuration.ts'
import { identity, transformerOf } from './transformers.ts'
import type { Transformer } from './transformers.ts'

const nameOf = ({ group, resource }: GroupResource): string => (group ? `${resource}.${group}` : resource)

/** As the file has it. */
const writtenName = (group: string, resource: string): string => (group === '' && resource === '*' ? '*.' : nameOf({ group, resource }))

/** By group and resource, what comes first in the file first; a wildcard hides what comes after it, which is an error. */
function providersByResource({ resources }: EncryptionConfiguration): Map<string, Provider[]> {
  const found = new Map<string, Provider[]>()
  for (const { resources: names, providers } of resources) {
    for (const name of names) {
      const { group, resource } = parseGroupResource(name)
      for (const mask of [
        { group, resource: '*' },
        { group: '*', resource: '*' },
      ])
        if (found.has(`${mask.group}/${mask.resource}`))
          throw new ConfigurationFileError(
            `resource "${writtenName(group, resource)}" is masked by earlier rule "${writtenName(mask.group, mask.resource)}"`,
          )
      const key = `${group}/${resource}`
      found.set(key, [...(found.get(key) ?? []), ...providers])
    }
  }
  return found
}

export class Encryption implements Transformation {
  readonly #metrics: EncryptionMetrics
  #document: string
  #byResource: ReadonlyMap<string, readonly Provider[]>
  readonly #transformers = new Map<string, Transformer>()
  readonly #listeners = new Set<() => void>()

  /** `document` is the file. Throws a ConfigurationFileError. */
  constructor(document: string, metrics: EncryptionMetrics) {
    this.#metrics = metrics
    this.#document = document
    this.#byResource = providersByResource(parseEncryptionConfiguration(document))
  }

  /** The file as it is now; answers whether it is another. Throws a ConfigurationFileError, and goes on with what it had. */
  replace(document: string): boolean {
    if (document === this.#document) return false
    this.#byResource = providersByResource(parseEncryptionConfiguration(document))
    this.#document = document
    this.#transformers.clear()
    for (const listener of this.#listeners) listener()
    return true
  }

  onChange(listener: () => void): void {
    this.#listeners.add(listener)
  }

  toStore(resource: GroupResource, key: string, plain: Uint8Array): Uint8Array {
    return this.#transformerOf(resource).toStore(plain, key)
  }

  fromStore(resource: GroupResource, key: string, stored: Uint8Array): { plain: Uint8Array; stale: boolean } {
    return this.#transformerOf(resource).fromStore(stored, key)
  }

  #transformerOf(resource: GroupResource): Transformer {
    const name = nameOf(resource)
    let transformer = this.#transformers.get(name)
    if (!transformer) {
      const { group } = resource
      const found = [`${group}/${resource.resource}`, `${group}/*`, '*/*'].map((key) => this.#byResource.get(key)).find(Boolean)
      transformer = found ? transformerOf(found, (made) => this.#metrics.transformed(name, made)) : identity
      this.#transformers.set(name, transformer)
    }
    return transformer
  }
}

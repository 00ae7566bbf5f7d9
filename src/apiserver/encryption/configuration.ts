/**
 * The file that says how objects are encrypted in the store (EncryptionConfiguration of apiserver.config.k8s.io/v1), with
 * upstream's rules and words. What keys there are is never part of a message.
 */
import { invalid, required } from '../../api/validation/fieldErrors.ts'
import type { FieldError } from '../../api/status.ts'
import {
  configurationKind,
  list,
  readConfiguration,
  struct,
  text,
  throwFieldErrors,
  whole,
  duration,
} from '../configuration/configurationFile.ts'

export interface Key {
  name: string
  /** base64 */
  secret: string
}

export interface Provider {
  aesgcm?: { keys: readonly Key[] }
  aescbc?: { keys: readonly Key[] }
  secretbox?: { keys: readonly Key[] }
  identity?: object
  kms?: object
}

export interface ResourceConfiguration {
  /** `secrets`, `deployments.apps`, `*.apps`, `*.` (core), `*.*`. */
  resources: readonly string[]
  /** The first writes, all of them read. */
  providers: readonly Provider[]
}

export interface EncryptionConfiguration {
  resources: readonly ResourceConfiguration[]
}

const keys = struct('AESConfiguration', { keys: list(struct('Key', { name: text, secret: text })) })
const KIND = configurationKind('EncryptionConfiguration', ['v1'], {
  resources: list(
    struct('ResourceConfiguration', {
      resources: list(text),
      providers: list(
        struct('ProviderConfiguration', {
          aesgcm: keys,
          aescbc: keys,
          secretbox: keys,
          identity: struct('IdentityConfiguration', {}),
          kms: struct('KMSConfiguration', { apiVersion: text, name: text, cachesize: whole, endpoint: text, timeout: duration }),
        }),
      ),
    }),
  ),
})

/** Key sizes in bytes. */
const KEY_SIZES = { aesgcm: [16, 24, 32], aescbc: [16, 24, 32], secretbox: [32] } as const
const PROVIDERS = ['kms', 'aesgcm', 'aescbc', 'secretbox', 'identity'] as const
/** Kept in the store without being served. */
const UNSERVED = ['apiserveripinfo', 'serviceipallocations', 'servicenodeportallocations']

/** Throws a ConfigurationFileError that names every field that is wrong. */
export function parseEncryptionConfiguration(document: string): EncryptionConfiguration {
  const { resources = [] } = readConfiguration(document, KIND) as unknown as Partial<EncryptionConfiguration>
  if (resources.length === 0) throwFieldErrors([required('resources', 'at least one resources is required')])
  throwFieldErrors(resources.flatMap((entry, i) => resourceErrors(entry, `resources[${i}]`)))
  return { resources }
}

function resourceErrors({ resources = [], providers = [] }: Partial<ResourceConfiguration>, at: string): FieldError[] {
  const atLeastOne = (field: string): FieldError => required(field, `at least one ${field} is required`)
  return [
    ...(resources.length === 0 ? [atLeastOne(`${at}.resources`)] : []),
    ...overlapErrors(resources, `${at}.resources`),
    ...resources.flatMap((name, i) => {
      const why = nameFault(name)
      return why === undefined ? [] : [invalid(`${at}.resources[${i}]`, name, why)]
    }),
    ...(providers.length === 0 ? [atLeastOne(`${at}.providers`)] : []),
    ...providers.flatMap((provider, i) => providerErrors(provider, `${at}.providers[${i}]`)),
  ]
}

/** `deployments.apps` is of the group apps; what has no dot is of the core group. */
export function parseGroupResource(name: string): { group: string; resource: string } {
  const dot = name.indexOf('.')
  return dot < 0 ? { group: '', resource: name } : { group: name.slice(dot + 1), resource: name.slice(0, dot) }
}

function overlapErrors(names: readonly string[], at: string): FieldError[] {
  const parsed = names.map(parseGroupResource)
  const pairs = parsed.flatMap((a, i) => parsed.filter((_, j) => j !== i).map((b) => [a, b] as const))
  const same = ([a, b]: (typeof pairs)[number]): boolean => a.group === b.group && a.resource === b.resource
  const masks = ([a, b]: (typeof pairs)[number]): boolean =>
    (a.group === '*' && a.resource === '*') || (a.group === b.group && (a.resource === '*' || b.resource === '*'))
  const errors: FieldError[] = []
  if (pairs.some(same)) errors.push(invalid(at, names, 'the same resource cannot be specified multiple times'))
  if (pairs.some((pair) => masks(pair) && !same(pair)))
    errors.push(
      invalid(
        at,
        names,
        "using overlapping resources such as 'secrets' and '*.' in the same resource list is not allowed as they will be masked",
      ),
    )
  return errors
}

function nameFault(name: string): string | undefined {
  const { group, resource } = parseGroupResource(name)
  if (name.toLowerCase() !== name) return 'resource name should not contain capital letters'
  if (name === '*') return "use '*.' to encrypt all the resources from core API group or *.* to encrypt all resources"
  if (UNSERVED.includes(name)) return 'resources which do not have REST API/s cannot be encrypted'
  if (group === 'events.k8s.io')
    return "'*.events.k8s.io' objects are stored using the 'events' API group in etcd. Use 'events' instead in the config file"
  if (group === 'extensions') return "'extensions' group has been removed and cannot be used for encryption"
  if (group === '*' && resource !== '*') return 'encrypting the same resource across groups is not supported'
  return undefined
}

function providerErrors(provider: Provider, at: string): FieldError[] {
  const given = PROVIDERS.filter((name) => provider[name] !== undefined)
  if (given.length === 0)
    return [invalid(at, {}, 'provider does not contain any of the expected providers: KMS, AESGCM, AESCBC, Secretbox, Identity')]
  // The value is not shown, there may be keys in it.
  if (given.length > 1)
    return [invalid(at, given, 'more than one provider specified in a single element, should split into different list elements')]
  const name = given[0] as (typeof PROVIDERS)[number]
  if (name === 'identity') return []
  if (name === 'kms') return [invalid(`${at}.kms`, 'kms', 'key management services are not there: use secretbox, aesgcm or aescbc')]
  return keyErrors(provider[name]?.keys ?? [], `${at}.${name}.keys`, KEY_SIZES[name])
}

/** As Go reads it: padded, lines may be broken, and what is left over of the last bits does not matter. */
function isBase64(text: string): boolean {
  const joined = text.replaceAll(/[\r\n]/g, '')
  return joined.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(joined)
}

function keyErrors(given: readonly Partial<Key>[], at: string, sizes: readonly number[]): FieldError[] {
  if (given.length === 0) return [required(at, 'at least one keys is required')]
  const hidden = (i: number, detail: string): FieldError => invalid(`${at}[${i}].secret`, 'REDACTED', detail)
  return given.flatMap(({ name, secret }, i) => {
    const errors = name ? [] : [required(`${at}[${i}].name`, 'name is a mandatory field for a key')]
    if (!secret) return [...errors, required(`${at}[${i}].secret`, 'secret is a mandatory field for a key')]
    const bytes = Buffer.from(secret, 'base64')
    if (!isBase64(secret)) return [...errors, hidden(i, 'secrets must be base64 encoded')]
    if (sizes.includes(bytes.length)) return errors
    return [...errors, hidden(i, `secret is not of the expected length, got ${bytes.length}, expected one of [${sizes.join(' ')}]`)]
  })
}

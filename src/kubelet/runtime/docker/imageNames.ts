/** Image names as people write them and as they are meant: `x` is `docker.io/library/x:latest`. Pure; the grammar is distribution's. */

export interface ImageName {
  /** With the registry, e.g. `docker.io/library/busybox`. */
  repository: string
  registry: string
  tag?: string
  digest?: string
}

const COMPONENT = /^[a-z0-9]+(?:(?:\.|_|__|-+)[a-z0-9]+)*$/
const REGISTRY =
  /^(?:[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?(?:\.[a-zA-Z0-9](?:[a-zA-Z0-9-]*[a-zA-Z0-9])?)*|\[[a-fA-F0-9:]+\])(?::[0-9]+)?$/
const TAG = /^\w[\w.-]{0,127}$/
const DIGEST = /^[A-Za-z][A-Za-z0-9]*(?:[-_+.][A-Za-z][A-Za-z0-9]*)*:[0-9a-fA-F]{32,}$/
const IMAGE_ID = /^(?:sha256:)?([0-9a-f]{64})$/
const DEFAULT_REGISTRY = 'docker.io'
const REPOSITORY_LIMIT_CHARS = 255

/** `sha256:…`, if that is what the name is. */
export function imageIdIn(name: string): string | undefined {
  const hex = IMAGE_ID.exec(name)?.[1]
  return hex && `sha256:${hex}`
}

/** A string is what is wrong with the name. Without tag and digest the tag is `latest`. */
export function parseImageName(name: string): ImageName | string {
  const [beforeDigest = '', ...digests] = name.split('@')
  const digest = digests[0]
  if (digests.length > 1 || (digest !== undefined && !DIGEST.test(digest))) return 'invalid reference format'
  const colon = beforeDigest.lastIndexOf(':')
  const hasTag = colon > beforeDigest.lastIndexOf('/')
  const tag = hasTag ? beforeDigest.slice(colon + 1) : undefined
  const path = hasTag ? beforeDigest.slice(0, colon) : beforeDigest
  if (tag !== undefined && !TAG.test(tag)) return 'invalid reference format'
  const { registry, rest } = splitRegistry(path)
  if (!REGISTRY.test(registry)) return 'invalid reference format'
  if (!rest.split('/').every((component) => COMPONENT.test(component))) {
    return rest !== rest.toLowerCase() ? 'invalid reference format: repository name must be lowercase' : 'invalid reference format'
  }
  const repository = `${registry}/${rest}`
  if (repository.length > REPOSITORY_LIMIT_CHARS) return 'repository name must not be more than 255 characters'
  return {
    repository,
    registry,
    ...(tag !== undefined ? { tag } : digest === undefined && { tag: 'latest' }),
    ...(digest !== undefined && { digest }),
  }
}

function splitRegistry(path: string): { registry: string; rest: string } {
  const slash = path.indexOf('/')
  const first = path.slice(0, Math.max(slash, 0))
  const named = slash > 0 && (/[.:]/.test(first) || first === 'localhost' || first !== first.toLowerCase())
  const registry = named && first !== 'index.docker.io' ? first : DEFAULT_REGISTRY
  const rest = named ? path.slice(slash + 1) : path
  return { registry, rest: registry === DEFAULT_REGISTRY && !rest.includes('/') ? `library/${rest}` : rest }
}

export function formatImageName({ repository, tag, digest }: ImageName): string {
  return `${repository}${tag === undefined ? '' : `:${tag}`}${digest === undefined ? '' : `@${digest}`}`
}

/** The full form of a name that the engine answered; as it is where it is none (`<none>:<none>`). */
export function fullImageName(name: string): string {
  const parsed = parseImageName(name)
  return typeof parsed === 'string' ? name : formatImageName(parsed)
}

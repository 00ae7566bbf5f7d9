/** Images' names: the registry and the repository of one, and what is left of it without tag and digest. */

export const DEFAULT_REGISTRY = 'docker.io'

/** The registry host of an image name; `docker.io` where it names none. */
export function registryOf(image: string): string {
  const first = image.split('/')[0] ?? ''
  const namesHost = image.includes('/') && (first.includes('.') || first.includes(':') || first === 'localhost')
  return namesHost ? first : DEFAULT_REGISTRY
}

/** The image's name as it was given, without tag and digest. */
export function withoutTag(image: string): string {
  return image.replace(/@.*$/, '').replace(/:[^/]*$/, '')
}

/** With its registry: `busybox:1` is of `docker.io/library/busybox`. */
export function repositoryOf(image: string): string {
  const registry = registryOf(image)
  const name = withoutTag(image.startsWith(`${registry}/`) ? image.slice(registry.length + 1) : image)
  return `${registry}/${registry === DEFAULT_REGISTRY && !name.includes('/') ? 'library/' : ''}${name}`
}

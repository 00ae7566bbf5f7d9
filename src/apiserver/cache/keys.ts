/** Where objects lie in the store: upstream's key layout, so that a dump of either reads the same. */

/** Resources whose folder is not their name. */
const FOLDERS: Record<string, string> = {
  '/services': 'services/specs',
  '/endpoints': 'services/endpoints',
  '/nodes': 'minions',
  '/replicationcontrollers': 'controllers',
  'networking.k8s.io/ingresses': 'ingress',
  'apiregistration.k8s.io/apiservices': 'apiregistration.k8s.io/apiservices',
  'apiextensions.k8s.io/customresourcedefinitions': 'apiextensions.k8s.io/customresourcedefinitions',
}

export const ROOT = '/registry/'

/** `/registry/pods/`; custom resources lie under their group. */
export function prefixOf(resource: { group: string; resource: string }, custom: boolean): string {
  const path = `${resource.group}/${resource.resource}`
  return `${ROOT}${FOLDERS[path] ?? (custom ? path : resource.resource)}/`
}

/** Folders of two segments: those above, and those of custom resources, whose group has a dot. */
const TWO_SEGMENTS = new Set(
  Object.values(FOLDERS)
    .filter((folder) => folder.includes('/'))
    .map((folder) => folder.split('/')[0]),
)

/** The prefix that a key belongs to, or undefined for keys that are no objects. */
export function prefixOfKey(key: string): string | undefined {
  if (!key.startsWith(ROOT)) return undefined
  const first = key.indexOf('/', ROOT.length)
  if (first < 0) return undefined
  const segment = key.slice(ROOT.length, first)
  if (!TWO_SEGMENTS.has(segment) && !segment.includes('.')) return key.slice(0, first + 1)
  const second = key.indexOf('/', first + 1)
  return second < 0 ? undefined : key.slice(0, second + 1)
}

/** Of a custom resource: `/registry/example.com/widgets/`. */
export function resourceOfPrefix(prefix: string): { group: string; resource: string } {
  const [first = '', second = ''] = prefix.slice(ROOT.length).split('/')
  return second ? { group: first, resource: second } : { group: '', resource: first }
}

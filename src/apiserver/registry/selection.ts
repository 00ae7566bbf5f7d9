/** Which objects a list, watch or deletecollection is about: namespace, label selector, field selector. */
import { newBadRequest } from '../../api/status.ts'
import { SelectorError, matchesLabels, parseFieldSelector, parseLabelSelector } from '../../api/selectors.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { StoredObject } from '../cache/storedObject.ts'
import type { StoredKind } from './kind.ts'
import type { Matches } from './lists.ts'
import type { ListOptions } from './options.ts'

export interface Selection {
  prefix: string
  matches: Matches
  /** Fields of custom resources, as the version shows them that was asked for: what a watcher's events are sorted by. */
  matchesFields?: (object: KubeObject) => boolean
}

type FieldOf = (object: KubeObject) => string

/** The value of a selectable field; a BadRequest for any other. */
function selectableField(kind: StoredKind, resource: CatalogResource, label: string): FieldOf {
  const { strategy } = kind
  if (label === 'metadata.name') return (object) => object.metadata.name
  if (label === 'metadata.namespace' && strategy.selectsNamespace !== false) return (object) => object.metadata.namespace ?? ''
  const field = strategy.selectableFields?.[storageLabel(resource, label)]
  if (field) return field
  const refusal =
    strategy.unknownFieldLabel?.(label) ??
    (kind.custom
      ? `field label not supported: ${label}`
      : `"${label}" is not a known field selector: only "metadata.name", "metadata.namespace"`)
  throw newBadRequest(refusal)
}

/** events.k8s.io calls the involved object `regarding`. */
function storageLabel(resource: CatalogResource, label: string): string {
  if (resource.group !== 'events.k8s.io') return label
  // What the other version calls otherwise is not known here.
  if (/^involvedObject\.|^reportingComponent$|^source$/.test(label)) return ''
  if (label.startsWith('regarding.')) return label.replace('regarding.', 'involvedObject.')
  return label === 'reportingController' ? 'reportingComponent' : label
}

type Test = (object: KubeObject) => boolean

function fieldTests(kind: StoredKind, resource: CatalogResource, selector: string): Test[] {
  return refused(() => parseFieldSelector(selector))
    .filter(({ field, value }) => field !== '' || value !== '')
    .map(({ field, value, negated }) => {
      const valueOf = selectableField(kind, resource, field)
      return (object) => (valueOf(object) === value) !== negated
    })
}

/** `watching`: objects come before they are converted, so that their fields are looked at later. */
export function parseSelection(
  kind: StoredKind,
  namespace: string,
  options: ListOptions,
  resource: CatalogResource,
  watching = false,
): Selection {
  const prefix = kind.storage.namespaced && namespace ? `${kind.prefix}${namespace}/` : kind.prefix
  const labels = options.labelSelector ? refused(() => parseLabelSelector(options.labelSelector)) : undefined
  const tests = options.fieldSelector ? fieldTests(kind, resource, options.fieldSelector) : []
  if (!labels && tests.length === 0) return { prefix, matches: undefined }
  const { versions } = kind
  if (versions && watching && tests.length > 0) {
    const matches: Matches = labels && (({ object }) => matchesLabels(labels, object.metadata.labels))
    return { prefix, matches, matchesFields: (object) => tests.every((test) => test(object)) }
  }
  return {
    prefix,
    matches(stored: StoredObject) {
      if (labels && !matchesLabels(labels, stored.object.metadata.labels)) return false
      if (tests.length === 0) return true
      const { object } = versions ? versions.view(stored) : stored
      return tests.every((test) => test(object))
    },
  }
}

/** Selector errors are the client's. */
function refused<T>(parse: () => T): T {
  try {
    return parse()
  } catch (error) {
    if (error instanceof SelectorError) throw newBadRequest(error.message)
    throw error
  }
}

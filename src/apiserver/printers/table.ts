/**
 * Objects as tables, the way `kubectl get` shows them: the server chooses columns and cells, so that every client prints
 * the same. What a kind's columns are stands in one file per API group.
 */
import { metadataInOrder } from '../../api/codec/jsonText.ts'
import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'
import { newBadRequest } from '../../api/status.ts'
import { printerOf } from './printers.ts'
import type { Column } from './printer.ts'

export type IncludeObject = 'None' | 'Metadata' | 'Object'
export interface TableOptions {
  resource: CatalogResource
  objects: readonly KubeObject[]
  /** A list, not one object. */
  list: boolean
  metadata: object
  includeObject: IncludeObject
  nowMs: number
  apiVersion: string
  /** False for all but the first event of a watch. */
  withColumns?: boolean
}

/** Annotations that upstream makes of a field whenever it writes the whole object: its metadata alone has them not. */
const MADE_OF_FIELDS: Readonly<Record<string, string>> = { DaemonSet: 'deprecated.daemonset.template.generation' }

function ownMetadata({ kind, metadata }: KubeObject): KubeObject['metadata'] {
  const made = MADE_OF_FIELDS[kind ?? '']
  if (made === undefined || metadata.annotations?.[made] === undefined) return metadata
  const { annotations: { [made]: _, ...own } = {}, ...rest } = metadata
  return Object.keys(own).length > 0 ? { ...rest, annotations: own } : rest
}

export function partialMetadata(object: KubeObject, apiVersion: string): object {
  return { kind: 'PartialObjectMetadata', apiVersion, metadata: metadataInOrder(ownMetadata(object)) }
}

/** The query parameter; throws upstream's 400. */
export function parseIncludeObject(query: URLSearchParams): IncludeObject {
  const value = query.get('includeObject') ?? ''
  if (value === '') return 'Metadata'
  if (value === 'None' || value === 'Metadata' || value === 'Object') return value
  throw newBadRequest(
    `Unable to convert to Table as requested: includeObject: Invalid value: ${JSON.stringify(value)}: must be 'Metadata', 'Object', 'None', or empty`,
  )
}

function columnDefinition({ name, type, format, priority, description }: Column): object {
  return { name, type, format: format ?? '', description: description ?? `${name} of the object.`, priority: priority ?? 0 }
}

const INITIAL_EVENTS_END = 'k8s.io/initial-events-end'

function rowObject(object: KubeObject, include: IncludeObject, apiVersion: string): object | null {
  if (include === 'Object') return object
  // Without its annotation nobody would know what this bookmark is.
  const marksEnd = object.metadata.annotations?.[INITIAL_EVENTS_END] === 'true'
  return include === 'None' && !marksEnd ? null : partialMetadata(object, apiVersion)
}

export function tableOf(options: TableOptions): object {
  const { resource, objects, list, metadata, includeObject, nowMs, apiVersion, withColumns = true } = options
  const printer = printerOf(resource, objects[0]?.kind ?? '')
  const sorted = printer.compare && list ? objects.toSorted(printer.compare) : objects
  const rows = sorted.map((object) => {
    const conditions = printer.conditions?.(object) ?? []
    return {
      cells: printer.cells(object, nowMs),
      ...(conditions.length > 0 && { conditions }),
      object: rowObject(object, includeObject, apiVersion),
    }
  })
  const empty = list && rows.length === 0 && printer.nullWhenEmpty
  return {
    kind: 'Table',
    apiVersion,
    metadata,
    columnDefinitions: withColumns ? printer.columns.map(columnDefinition) : null,
    rows: empty ? null : rows,
  }
}

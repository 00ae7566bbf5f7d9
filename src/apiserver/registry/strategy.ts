/**
 * What is special about a kind (k8s.io/apiserver/pkg/registry/rest's strategies). The generic store does the rest; a kind
 * without special rules needs no strategy. Hooks get their own copies of objects and may write to `next`, never to `old`.
 */
import type { FieldError } from '../../api/status.ts'
import type { KubeObject } from '../../api/resource.ts'
import type { UserInfo } from '../request.ts'
import type { ObjectReader } from './reader.ts'
import type { Services } from './services/services.ts'

/** An object that belongs to the request at work. */
export type Fields = { [field: string]: unknown }

export interface StrategyContext {
  user: UserInfo
  /** Of the request. */
  verb: string
  /** Why the user may not do something else to the object's kind as well; undefined where they may. */
  refusal(of: { verb: string; subresource: string; namespace: string; name: string }): string | undefined
  /** The API group that the request came by, for kinds that two groups serve. */
  group?: string
  /** '' for the object itself. */
  subresource?: string
  /** RFC 3339, whole seconds. */
  now: string
  dryRun: boolean
  reader: ObjectReader
  services: Services
  /** Texts for `Warning` headers. */
  warnings: string[]
}

/** A step of looking at a change. */
export type UpdateCheck = 'change' | 'new' | 'own' | 'changed'

export interface Strategy<T extends KubeObject = KubeObject> {
  /** The status that a new object begins with; `keep` leaves what the client sent. `{}` for kinds with a status subresource. */
  initialStatus?: 'keep' | ((object: T) => unknown)
  /** metadata.generation starts at 1 and counts changes outside metadata and status; or stays what it was at first. */
  managesGeneration?: boolean | 'atFirst'
  /** An empty list or map counts as a change of none. */
  generationCountsEmpty?: boolean
  /** What prepareForUpdate drops counts. */
  generationCountsDropped?: boolean
  /** Members of the metadata that count too. */
  generationCounts?: readonly ('annotations' | 'labels')[]
  /** Fields that a subresource (`''`: the object itself) does not write, where it is not just status or spec. */
  resetFields?: Readonly<Record<string, readonly (readonly string[])[]>>
  /** A write to /status may change labels, annotations and the like. */
  statusKeepsMetadata?: boolean | 'exceptLabels'
  /** PUT creates what is not there. */
  allowCreateOnUpdate?: boolean
  /** An apply to the status of an object that is not there creates it. */
  appliedStatusCreates?: boolean
  /** False: an update must name the resourceVersion that it changes. */
  allowUnconditionalUpdate?: boolean
  /** DELETE answers the object instead of a Status. */
  returnsDeleted?: boolean
  /** Propagation when the client names none: Background unless given. */
  defaultPropagation?: 'Orphan' | 'Background'
  /** Tells the client when the default leaves dependents behind. */
  warnsOfOrphans?: boolean

  /** What is said of an object of another kind, and then nothing else is. */
  checksKindFirst?(next: T): FieldError[]
  prepareForCreate?(next: T, context: StrategyContext): void
  validateCreate?(next: T, context: StrategyContext): FieldError[]
  prepareForUpdate?(next: T, old: T, context: StrategyContext): void
  /** What is left to prepare once the object has the shape in which it is stored. */
  settleUpdate?(next: T, old: T): void
  validateUpdate?(next: T, old: T, context: StrategyContext): FieldError[]
  prepareForStatusUpdate?(next: T, old: T, context: StrategyContext): void
  validateStatusUpdate?(next: T, old: T, context: StrategyContext): FieldError[]
  /** Reserve what the object needs outside itself (addresses, ports); the result gives it back when the write fails. */
  reserve?(next: T, old: T | undefined, context: StrategyContext): (() => void) | undefined
  /** The grace that a deletion gets, or undefined for at once; `asked` is what the client asked for. */
  gracePeriodSeconds?(object: T, asked: number | undefined): number | undefined
  /** A finished object that is still wanted by something else (namespaces with content). */
  mustStay?(object: T): boolean
  /** Where preconditions are refused in other words. */
  checkPreconditions?(object: T, preconditions: { uid?: string; resourceVersion?: string }): void
  /**
   * How a change is looked at: its metadata once more, by the kind's own rules, as that of a change (`['change']` unless given) or of a new
   * object, and where among that its own fields are (`own`: validateUpdate; `changed`: validateChanged); behind it unless given.
   */
  updateChecks?: readonly UpdateCheck[]
  /** What must not change, where metadata is looked at between that and what holds of new objects, too. */
  validateChanged?(next: T, old: T): FieldError[]
  /** Of updates to a part of the object, where all of it is looked at. */
  checksMetaOfParts?: boolean
  /** Finalizers need no domain. */
  anyFinalizers?: boolean
  /** A bad metadata.generateName shows by the name that came of it alone. */
  checksOnlyName?: boolean
  /** What decoding does to the object beside defaults: before managed fields are recorded. */
  decoded?(object: T): void
  /** Where a first deletion always marks, in its own way and whatever its options say: the object marked. */
  marked?(object: T, now: string): KubeObject
  /** Called on the object that gets its deletionTimestamp: its metadata is its own, the rest is shared and to be replaced. */
  prepareForDeletion?(next: T, context: StrategyContext): void
  /** Values of field selectors beside metadata.name and metadata.namespace. */
  selectableFields?: Readonly<Record<string, (object: T) => string>>
  /** How an unknown field selector is refused. */
  unknownFieldLabel?(label: string): string
  /** Whether metadata.namespace is selectable; as the scope says unless given. */
  selectsNamespace?: boolean
  /** metadata.name: which rule it has to keep. */
  validateName?(name: string, isPrefix: boolean): string[]
  warningsOnCreate?(next: T): string[]
  warningsOnUpdate?(next: T, old: T): string[]
  warningsOnStatusUpdate?(next: T, old: T): string[]
}

/** One change of an object, as the caches keep it in their history and hand it to watchers. */
import { atRevision, SharedEvent } from './storedObject.ts'
import type { StoredObject } from './storedObject.ts'

/** One change with what was there before, and its events, shared by all watchers. */
export class CacheChange {
  readonly revision: number
  readonly before: StoredObject | undefined
  readonly after: StoredObject | undefined
  #added: SharedEvent | undefined
  #modified: SharedEvent | undefined
  #deleted: SharedEvent | undefined

  constructor(revision: number, before: StoredObject | undefined, after: StoredObject | undefined) {
    this.revision = revision
    this.before = before
    this.after = after
  }

  /** What keeping the change keeps in memory. */
  get sizeBytes(): number {
    return (this.after ?? this.before)?.sizeBytes ?? 0
  }

  /**
   * The event for a watcher that sees only what `matches`: what begins to match was added, what no longer matches was
   * deleted and is shown as it was, at the revision of the change.
   */
  eventFor(matches: (object: StoredObject) => boolean): SharedEvent | undefined {
    const matched = this.before !== undefined && matches(this.before)
    if (this.after && matches(this.after)) {
      return matched
        ? (this.#modified ??= new SharedEvent('MODIFIED', this.after, this.before))
        : (this.#added ??= new SharedEvent('ADDED', this.after))
    }
    if (!matched) return undefined
    return (this.#deleted ??= new SharedEvent('DELETED', atRevision(this.before as StoredObject, this.revision)))
  }
}

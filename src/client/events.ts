/** Events about objects, as `kubectl describe` shows them: repeated ones are counted up on one Event object. */
import type { KubeObject } from '../api/resource.ts'

export interface EventRecorder {
  /** Never throws and never waits: a lost event must not stop the work that it tells of. */
  record(about: KubeObject, event: { type: 'Normal' | 'Warning'; reason: string; message: string; fieldPath?: string }): void
}

/** Who of the mutating webhooks or policies is to be asked once more about a request, because others changed it after them. */
import { deepEqual } from '../../api/meta.ts'
import type { KubeObject } from '../../api/resource.ts'
import { cloneJson } from '../../api/jsonValues.ts'
import type { AdmissionRequest } from './admission.ts'

class Invoked {
  /** Asked before, and willing to be asked again. */
  readonly #previous = new Set<string>()
  readonly #due = new Set<string>()
  #lastOutput: KubeObject | undefined

  begin(request: AdmissionRequest): void {
    // Plugins of the server itself have changed the object since.
    if (request.round === 1 && !deepEqual(this.#lastOutput, request.object)) this.changed()
  }

  isDue(key: string): boolean {
    return this.#due.has(key)
  }

  add(key: string): void {
    this.#previous.add(key)
  }

  changed(): void {
    for (const key of this.#previous) this.#due.add(key)
    this.#previous.clear()
  }

  end({ object }: AdmissionRequest): void {
    this.#lastOutput = cloneJson(object)
  }
}

export type { Invoked }

export class Reinvocations {
  readonly #byRequest = new WeakMap<AdmissionRequest, Invoked>()

  begin(request: AdmissionRequest): Invoked {
    let invoked = this.#byRequest.get(request)
    if (!invoked) this.#byRequest.set(request, (invoked = new Invoked()))
    invoked.begin(request)
    return invoked
  }
}

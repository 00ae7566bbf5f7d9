/** Why a pod's volumes cannot be had, in the words of upstream's FailedMount and FailedMapVolume events. */

/** The message is that of the event. */
export class VolumeError extends Error {
  override readonly name = 'VolumeError'

  /** Of the event. */
  get reason(): 'FailedMount' | 'FailedMapVolume' {
    return this.message.startsWith('MapVolume.') ? 'FailedMapVolume' : 'FailedMount'
  }
}

/** What went wrong in another step than usual, by its name in upstream's events; which volume it was, others know. */
export class VolumeStepError extends Error {
  override readonly name = 'VolumeStepError'
  readonly step: string

  constructor(step: string, cause: unknown) {
    super(messageOf(cause), { cause })
    this.step = step
  }
}

/** The result of a step; its failure under the step's name. */
export async function inStep<T>(step: string, work: () => T | Promise<T>): Promise<T> {
  try {
    return await work()
  } catch (error) {
    throw new VolumeStepError(step, error)
  }
}

const messageOf = (cause: unknown): string => (cause instanceof Error ? cause.message : String(cause))

/** Nothing is wrong so far: somebody else has to do something first, and nobody is told before that takes long. */
export class VolumePending extends VolumeError {}

/** The claim leads to no volume that the pod may have. */
export class ClaimError extends Error {
  override readonly name = 'ClaimError'
}

/** The volume is not attached to the node yet. */
export class NotAttachedError extends Error {
  override readonly name = 'NotAttachedError'
}

const listed = (names: readonly string[]): string => `[${names.toSorted().join(' ')}]`

const SET_UP = 'MountVolume.SetUp failed'

/** What happened to one volume; `name` is the persistent volume's, or else the one in the pod's spec. */
export function volumeError(name: string, cause: unknown, step = cause instanceof VolumeStepError ? cause.step : SET_UP): VolumeError {
  return new VolumeError(`${step} for volume "${name}" : ${messageOf(cause)}`, { cause })
}

/** What is told of a pod whose volumes failed, by their names in its spec; there is one at least. */
export function podVolumesError(failures: ReadonlyMap<string, unknown>): unknown {
  const named = (kind: new (message: string) => Error): string[] =>
    [...failures].flatMap(([name, error]) => (error instanceof kind ? [name] : []))
  const [unclaimed, unattached] = [named(ClaimError), named(NotAttachedError)]
  const own = [...failures.values()].find((error) => !(error instanceof ClaimError || error instanceof NotAttachedError))
  if (own !== undefined) return own
  const about =
    `Unable to attach or mount volumes: unmounted volumes=${listed([...failures.keys()])}, ` +
    `unattached volumes=${listed(unattached)}, failed to process volumes=${listed(unclaimed)}`
  if (unclaimed.length === 0) return new VolumePending(`${about}: timed out waiting for the condition`)
  const why = unclaimed.map((name) => (failures.get(name) as Error).message)
  return new VolumeError(`${about}: ${why.join('; ')}`)
}

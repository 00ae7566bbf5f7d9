/** The node container exists, in the shape that the profile asks for. */
import { existsSync } from 'node:fs'
import { engineGet, EngineHttpError } from '../engine/address.ts'
import type { Engine, EngineInfo } from '../engine/engine.ts'
import { volumeName } from '../names.ts'
import { checkOwned, containerSpec, inspectNode, nodeContainer } from '../nodeContainer.ts'
import type { ContainerMode, ProfileConfig } from '../profile.ts'
import { removeNode } from '../removeNode.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'

/** What cannot be changed in a container that exists. */
function mustRecreate(before: ProfileConfig, now: ProfileConfig): boolean {
  const fixed = (profile: ProfileConfig): string => {
    const { image, publish, cpus, memoryBytes, fakeNodes, extraConfig, network, hostApiPort, containerMode } = profile
    return JSON.stringify([image, publish, cpus, memoryBytes, fakeNodes, extraConfig, network, hostApiPort, containerMode])
  }
  return fixed(before) !== fixed(now)
}

export const createStep: Step<StartContext> = {
  name: 'create',
  message: 'Creating the node container',
  async run(context, { signal }) {
    const { before } = context
    const engine = context.requireEngine()
    const profile = context.requireProfile()
    context.volumeExisted = await volumeExists(engine, profile.name, signal)
    const existing = await inspectNode(engine.address, profile.name, signal)
    if (existing) {
      checkOwned(existing, profile.name, context.home)
      if (existing.running || (before && existing.image === profile.image && !mustRecreate(before, profile))) return
      // All that lasts is in the volume.
      await nodeContainer(engine, profile.name).remove({ force: true })
    }
    await createContainer(context, profile.containerMode)
  },
  async undo(context) {
    if (!context.created || context.before) return
    await removeNode(context.requireEngine(), context.options.profile, { keepVolume: context.volumeExisted ?? false })
  },
}

async function volumeExists(engine: Engine, profile: string, signal: AbortSignal): Promise<boolean> {
  try {
    await engineGet(engine.address, `/volumes/${volumeName(profile)}`, signal)
    return true
  } catch (error) {
    if (error instanceof EngineHttpError && error.statusCode === 404) return false
    throw error
  }
}

/** Makes the container, not yet running. */
export async function createContainer(context: StartContext, mode: ContainerMode): Promise<void> {
  const engine = context.requireEngine()
  const info = context.info as EngineInfo
  const profile = { ...context.requireProfile(), containerMode: mode }
  context.profile = profile
  context.created = true
  const kernelModules = !info.local || existsSync('/lib/modules')
  await engine.docker.createContainer(containerSpec({ profile, mode, engine: info, kernelModules, env: context.env, home: context.home }))
  context.reporter.onDetail(
    mode === 'privileged' ? 'node container: --privileged' : 'node container: every capability but SYS_RESOURCE, which this host lacks',
  )
}

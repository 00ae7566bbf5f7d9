/** What befalls pods: they are deleted, evicted, they fail, lose their readiness, their labels or their node; and names that are taken. */
import { controllerrevisions, type ControllerRevision } from '../../src/api/kinds/apps/v1.ts'
import { nodes, pods, type Pod } from '../../src/api/kinds/core/v1.ts'
import { planHistory, type HistoryOwner } from '../../src/controllers/history.ts'
import type { Step } from './histories.ts'
import { isLive, isReadyNow, type PodLives } from './podLives.ts'
import { NAMESPACE, type World } from './world.ts'

export const POD_DISTURBANCES = ['deletePod', 'killPod', 'failPod', 'evictPod', 'flapPod', 'loseNode'] as const

/** By its place among the live pods, so that a shorter history still means something. */
function pick(world: World, step: Step): Pod | undefined {
  const live = world.truth.for(pods).list(NAMESPACE).filter(isLive)
  return live.length === 0 ? undefined : live[Number(step['at']) % live.length]
}

export async function disturbPod(world: World, lives: PodLives, step: Step): Promise<void> {
  const { client } = world
  const pod = pick(world, step)
  if (!pod) return
  const at = { namespace: NAMESPACE, name: pod.metadata.name }
  switch (step.do) {
    case 'deletePod':
      return void (await client.delete(pods, at).catch(() => {}))
    case 'killPod':
      return void (await client.delete(pods, at, { gracePeriodSeconds: 0 }).catch(() => {}))
    case 'failPod':
      return lives.finish(pod, 'Failed')
    case 'succeedPod':
      return lives.finish(pod, 'Succeeded')
    case 'flapPod':
      return pod.spec.nodeName ? lives.setReady(pod, !isReadyNow(pod)) : undefined
    case 'evictPod':
      return void (await client
        .create(pods, { metadata: at } as never, { ...at, subresource: 'eviction' })
        .catch((error: unknown) => world.tell(`eviction refused: ${String(error)}`)))
    case 'relabel':
      return void (await client
        .patch(pods, { ...at, type: 'application/merge-patch+json' }, { metadata: { labels: { app: 'elsewhere' } } })
        .catch(() => {}))
    case 'loseNode':
      return loseNode(world, lives, pod.spec.nodeName)
    default:
      throw new Error(`no such disturbance: ${step.do}`)
  }
}

/** The node goes with all that ran on it, as the pod garbage collector would see to; another comes in its place. */
async function loseNode(world: World, lives: PodLives, name: string | undefined): Promise<void> {
  if (!name) return
  const { client } = world
  const here = world.truth
    .for(pods)
    .list(NAMESPACE)
    .filter((pod) => pod.spec.nodeName === name)
  for (const pod of here) {
    const at = { namespace: NAMESPACE, name: pod.metadata.name }
    await client.delete(pods, at, { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid } }).catch(() => {})
  }
  const node = world.truth.for(nodes).get(name)
  await client.delete(nodes, { name }).catch(() => {})
  world.clock.after(world.random.below(20_000), () => {
    void lives.addNode(name, node?.metadata.labels).catch(() => {})
  })
}

const STRANGER = { app: 'stranger' }

/** Somebody else's revision has the name that the owner would give to the one of its template. */
export async function takeRevisionName(world: World, owner: HistoryOwner): Promise<void> {
  const plan = planHistory(owner, [])
  const name = plan.action === 'create' ? plan.draft.metadata.name : undefined
  if (!name || world.truth.for(controllerrevisions).get(`${NAMESPACE}/${name}`)) return
  await world.client.create(controllerrevisions, {
    metadata: { namespace: NAMESPACE, name, labels: STRANGER },
    data: { spec: { template: { $patch: 'replace' } } },
    revision: 1,
  })
}

/** All revisions but those of strangers. */
export const ownRevisions = (world: World): ControllerRevision[] =>
  world.truth
    .for(controllerrevisions)
    .list(NAMESPACE)
    .filter(({ metadata }) => metadata.labels?.['app'] !== STRANGER.app)

/** The garbage collector under random histories: what has an owner stays, what has lost all goes, and nothing is left waiting. */
import assert from 'node:assert/strict'
import { configmaps, secrets } from '../../src/api/kinds/core/v1.ts'
import type { OwnerReference } from '../../src/api/kinds/meta/v1.ts'
import type { KubeObject, Resource } from '../../src/api/resource.ts'
import type { Random } from '../fuzz/random.ts'
import { modelTest, type Scenario, type Step } from './histories.ts'
import { NAMESPACE, type World } from './world.ts'

const KINDS: readonly Resource[] = [configmaps, secrets]
const NAMES_MAX = 8

const all = (world: World): KubeObject[] => KINDS.flatMap((kind) => world.truth.for(kind).list(NAMESPACE))
const kindOf = (name: string): Resource => (Number(name.slice(1)) % 2 === 0 ? configmaps : secrets)
const find = (world: World, name: string): KubeObject | undefined => world.truth.for(kindOf(name)).get(`${NAMESPACE}/${name}`)

function referenceTo(world: World, name: string, blocks: boolean): OwnerReference | undefined {
  const owner = find(world, name)
  if (!owner) return undefined
  return { apiVersion: 'v1', kind: kindOf(name).kind, name, uid: owner.metadata.uid, ...(blocks && { blockOwnerDeletion: true }) }
}

const anyName = (random: Random): string => `o${random.below(NAMES_MAX)}`

const scenario: Scenario<Map<string, string>> = {
  name: 'Garbage collector',
  controllers: ['garbage-collector-controller'],
  async begin(world) {
    /** Uids of objects that users have deleted, and how. */
    const deleted = new Map<string, string>()
    for (const kind of KINDS) await world.onChange(kind, () => {})
    world.onWritten(({ verb }, answer) => {
      if (verb !== 'delete') return
      const object = answer as { metadata?: KubeObject['metadata']; details?: { uid?: string; name?: string } }
      const uid = object.details?.uid ?? object.metadata?.uid
      const gone = all(world).find((each) => each.metadata.uid === uid)
      const owners = (gone?.metadata.ownerReferences ?? []).flatMap(
        (owner) => all(world).find((each) => each.metadata.uid === owner.uid) ?? [],
      )
      const holding = owners.find((owner) => owner.metadata.deletionTimestamp === undefined)
      if (holding) world.fail(`${gone?.metadata.name} is deleted though it belongs to ${holding.metadata.name}`)
    })
    return deleted
  },
  step(random): Step {
    const create = (): Step => ({
      do: 'create',
      name: anyName(random),
      owner: anyName(random),
      other: random.chance(0.3) ? anyName(random) : undefined,
      blocks: random.chance(0.5),
    })
    return random.of<() => Step>([
      create,
      create,
      create,
      () => ({ do: 'adopt', name: anyName(random), owner: anyName(random), blocks: random.chance(0.5) }),
      () => ({ do: 'delete', name: anyName(random), policy: random.of(['Foreground', 'Background', 'Orphan']) }),
      () => ({ do: 'delete', name: anyName(random), policy: random.of(['Foreground', 'Background', 'Orphan']) }),
    ])()
  },
  async apply(world, deleted, step) {
    const { client } = world
    const name = String(step['name'])
    const blocks = step['blocks'] === true
    const at = { namespace: NAMESPACE, name }
    const owners = [step['owner'], step['other']].flatMap((owner) =>
      owner && owner !== name ? (referenceTo(world, String(owner), blocks) ?? []) : [],
    )
    const different = owners.filter((owner, n) => owners.findIndex(({ uid }) => uid === owner.uid) === n)
    if (step.do === 'create') {
      const metadata = { ...at, ...(different.length > 0 && { ownerReferences: different }) }
      await client.create(kindOf(name), { metadata } as never).catch(() => {})
    } else if (step.do === 'adopt') {
      const patch = { ...at, type: 'application/strategic-merge-patch+json' as const }
      await client.patch(kindOf(name), patch, { metadata: { ownerReferences: different } }).catch(() => {})
    } else {
      const known = find(world, name)
      if (known) deleted.set(known.metadata.uid, String(step['policy']))
      await client.delete(kindOf(name), at, { propagationPolicy: step['policy'] as 'Foreground' }).catch(() => {})
    }
  },
  async end(world, deleted) {
    const uids = new Set(all(world).map((object) => object.metadata.uid))
    for (const { metadata } of all(world)) {
      assert.equal(metadata.deletionTimestamp, undefined, `${metadata.name} is stuck with ${metadata.finalizers?.join()}`)
      assert.ok(!deleted.has(metadata.uid), `${metadata.name} was deleted`)
      const owners = metadata.ownerReferences ?? []
      assert.ok(
        owners.every((owner) => uids.has(owner.uid)),
        `${metadata.name} refers to ${owners.map((owner) => owner.name).join()}, which are gone`,
      )
    }
  },
}

modelTest(scenario)

import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Deployment, DeploymentSpec, ReplicaSet } from '../../api/kinds/apps/v1.ts'
import { planDeployment, type DeploymentPlan } from './plan.ts'
import { DESIRED_REPLICAS, fenceposts, MAX_REPLICAS, scale, shrinkOld } from './replicaCounts.ts'
import { planRollback, REVISION, revisionOf } from './revisions.ts'

const NOW = Date.UTC(2026, 0, 1)

function deployment(spec: Partial<DeploymentSpec> & { image?: string } = {}): Deployment {
  const { image = 'app:1', ...rest } = spec
  return {
    metadata: { name: 'web', namespace: 'ns', uid: 'd', resourceVersion: '1', generation: 1, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: {
      replicas: 3,
      progressDeadlineSeconds: 600,
      revisionHistoryLimit: 2,
      selector: { matchLabels: { app: 'web' } },
      strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } },
      template: { metadata: { labels: { app: 'web' } }, spec: { containers: [{ name: 'c', image }] } },
      ...rest,
    },
  }
}

/** A cluster of one Deployment whose ReplicaSets do at once what they are told; pods become available when the test says so. */
class World {
  d: Deployment
  sets: ReplicaSet[] = []
  nowMs = NOW
  #made = 0

  constructor(d: Deployment) {
    this.d = d
  }

  pass(): DeploymentPlan {
    const plan = planDeployment({ deployment: this.d, replicaSets: this.sets, pods: [], nowMs: this.nowMs })
    const sized = new Map(plan.updates.map((u) => [u.replicaSet.metadata.uid, u]))
    this.sets = this.sets
      .filter((rs) => !plan.remove.includes(rs))
      .map((rs) => {
        const change = sized.get(rs.metadata.uid)
        if (!change) return rs
        const available = Math.min(rs.status?.availableReplicas ?? 0, change.replicas)
        return {
          ...rs,
          metadata: { ...rs.metadata, annotations: change.annotations },
          spec: { ...rs.spec, replicas: change.replicas },
          status: { ...rs.status, replicas: change.replicas, availableReplicas: available, readyReplicas: available },
        }
      })
    if (plan.create) {
      const { metadata, ...rest } = plan.create
      const uid = `rs${this.#made++}`
      const creationTimestamp = new Date(NOW + this.#made * 1_000).toISOString()
      this.sets.push({
        ...rest,
        metadata: { ...metadata, name: metadata.name as string, namespace: 'ns', uid, resourceVersion: '1', creationTimestamp },
        status: { replicas: rest.spec.replicas ?? 0 },
      })
    }
    const annotations = { ...this.d.metadata.annotations, ...(plan.revision && { [REVISION]: plan.revision }) }
    this.d = { ...this.d, metadata: { ...this.d.metadata, annotations }, status: plan.status }
    return plan
  }

  /** One more pod of some ReplicaSet becomes available; false when all are. */
  progress(): boolean {
    const waiting = this.sets.find((rs) => (rs.status?.availableReplicas ?? 0) < (rs.spec.replicas ?? 0))
    if (!waiting) return false
    const available = (waiting.status?.availableReplicas ?? 0) + 1
    const status = { ...waiting.status, replicas: waiting.spec.replicas ?? 0, availableReplicas: available, readyReplicas: available }
    this.sets = this.sets.map((rs) => (rs === waiting ? { ...rs, status } : rs))
    return true
  }

  settle(check: () => void = () => {}): void {
    for (let i = 0; i < 200; i++) {
      const plan = this.pass()
      check()
      if (!plan.create && plan.updates.length === 0 && plan.remove.length === 0 && !this.progress()) return
    }
    assert.fail('the rollout does not end')
  }

  update(spec: Parameters<typeof deployment>[0]): void {
    const next = deployment(spec)
    this.d = { ...this.d, metadata: { ...this.d.metadata, generation: (this.d.metadata.generation ?? 0) + 1 }, spec: next.spec }
  }

  sizes(): Record<string, number> {
    return Object.fromEntries(this.sets.map((rs) => [rs.spec.template?.spec?.containers[0]?.image ?? '', rs.spec.replicas ?? 0]))
  }
}

const progressing = (d: Deployment) => d.status?.conditions?.find((c) => c.type === 'Progressing')

test('the first pass makes the ReplicaSet at its full size', () => {
  const world = new World(deployment())
  const { create, revision, status } = world.pass()
  const hash = create?.metadata.labels?.['pod-template-hash'] as string
  assert.match(hash, /^[bcdfghjklmnpqrstvwxz2456789]+$/)
  assert.equal(create?.metadata.name, `web-${hash}`)
  assert.deepEqual(create?.spec.selector.matchLabels, { app: 'web', 'pod-template-hash': hash })
  assert.deepEqual(create?.metadata.annotations, { [DESIRED_REPLICAS]: '3', [MAX_REPLICAS]: '4', [REVISION]: '1' })
  assert.equal(create?.spec.replicas, 3)
  assert.equal(revision, '1')
  assert.equal(status.conditions?.find((c) => c.type === 'Progressing')?.message, `Created new replica set "web-${hash}"`)
})

test('a rollout keeps within its bounds at every step, for any bounds', () => {
  for (const [maxSurge, maxUnavailable] of [
    [1, 0],
    [0, 1],
    ['25%', '25%'],
    ['100%', 0],
    [0, 0],
    [2, '50%'],
  ] as const) {
    for (const replicas of [1, 4, 7]) {
      const spec = { replicas, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge, maxUnavailable } } }
      const world = new World(deployment(spec))
      world.settle()
      world.update({ ...spec, image: 'app:2' })
      const bounds = fenceposts(world.d)
      world.settle(() => {
        const total = world.sets.reduce((sum, rs) => sum + (rs.spec.replicas ?? 0), 0)
        const available = world.sets.reduce((sum, rs) => sum + (rs.status?.availableReplicas ?? 0), 0)
        assert.ok(total <= replicas + bounds.maxSurge, `${total} replicas, surge ${maxSurge} of ${replicas}`)
        assert.ok(available >= replicas - bounds.maxUnavailable, `${available} available, unavailable ${maxUnavailable} of ${replicas}`)
      })
      assert.deepEqual(world.sizes(), { 'app:1': 0, 'app:2': replicas })
      assert.equal(progressing(world.d)?.reason, 'NewReplicaSetAvailable')
      assert.equal(world.d.metadata.annotations?.[REVISION], '2')
    }
  }
})

test('going back to an old template raises its revision and remembers the one it had', () => {
  const world = new World(deployment())
  world.settle()
  world.update({ image: 'app:2' })
  world.settle()
  world.update({ image: 'app:1' })
  world.settle()
  assert.deepEqual(world.sizes(), { 'app:1': 3, 'app:2': 0 })
  const back = world.sets.find((rs) => rs.spec.replicas === 3)
  assert.equal(back?.metadata.annotations?.[REVISION], '3')
  assert.equal(back?.metadata.annotations?.['deployment.kubernetes.io/revision-history'], '1')
})

test('revisions are whole numbers of 64 bits, and what is none counts as 0', () => {
  const revision = (text: string): bigint => revisionOf({ metadata: { annotations: { [REVISION]: text } } })
  assert.deepEqual(['3546343826724305832', '9223372036854775808', '1.5', 'x', ''].map(revision), [3546343826724305832n, 0n, 0n, 0n, 0n])
  const world = new World(deployment())
  world.settle()
  for (const rs of world.sets) rs.metadata.annotations = { ...rs.metadata.annotations, [REVISION]: '3546343826724305832' }
  world.update({ image: 'app:2' })
  world.settle()
  assert.equal(world.d.metadata.annotations?.[REVISION], '3546343826724305833')
})

test('history is kept up to its limit', () => {
  const world = new World(deployment())
  for (const n of [1, 2, 3, 4, 5]) {
    world.update({ image: `app:${n}` })
    world.settle()
  }
  assert.deepEqual(world.sizes(), { 'app:3': 0, 'app:4': 0, 'app:5': 3 })
})

test('a paused Deployment rolls nothing out, but scales', () => {
  const world = new World(deployment())
  world.settle()
  world.update({ image: 'app:2', paused: true, replicas: 5 })
  world.settle()
  assert.deepEqual(world.sizes(), { 'app:1': 5 })
  assert.equal(progressing(world.d)?.reason, 'DeploymentPaused')
})

test('scaling amid a rollout keeps the proportions', () => {
  const world = new World(
    deployment({ replicas: 10, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } }),
  )
  world.settle()
  const [old] = world.sets
  const sized = (image: string, replicas: number): ReplicaSet => ({
    ...(old as ReplicaSet),
    metadata: { ...(old as ReplicaSet).metadata, uid: image, annotations: { [DESIRED_REPLICAS]: '10', [MAX_REPLICAS]: '13' } },
    spec: { ...(old as ReplicaSet).spec, replicas },
  })
  const d = deployment({ replicas: 15, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 3, maxUnavailable: 2 } } })
  const resized = scale(d, sized('new', 5), [sized('old', 8)])
  assert.deepEqual(
    resized.map(({ replicaSet, replicas }) => [replicaSet.metadata.uid, replicas]),
    [
      ['old', 11],
      ['new', 7],
    ],
  )
})

test('Recreate ends the old pods before the first new one', () => {
  const spec = { strategy: { type: 'Recreate' } }
  const world = new World(deployment(spec))
  world.settle()
  world.update({ ...spec, image: 'app:2' })
  const plan = world.pass()
  assert.equal(plan.create, undefined)
  assert.deepEqual(world.sizes(), { 'app:1': 0 })
  world.settle()
  assert.deepEqual(world.sizes(), { 'app:1': 0, 'app:2': 3 })
})

test('Recreate waits for an old ReplicaSet that has not seen yet that it is to be empty', () => {
  const spec = { strategy: { type: 'Recreate' } }
  const world = new World(deployment(spec))
  world.settle()
  world.update({ ...spec, image: 'app:2' })
  world.pass()
  // Its pods do not show here: it may be making them at this very moment.
  const [old] = world.sets as [ReplicaSet]
  const lagging = { ...old, metadata: { ...old.metadata, generation: 2 }, status: { replicas: 0, observedGeneration: 1 } }
  world.sets = [lagging]
  assert.equal(world.pass().create, undefined)
  world.sets = [{ ...lagging, status: { replicas: 0, observedGeneration: 2, terminatingReplicas: 1 } }]
  assert.equal(world.pass().create, undefined)
  world.sets = [{ ...lagging, status: { replicas: 0, observedGeneration: 2 } }]
  assert.ok(world.pass().create)
})

test('pods that a ReplicaSet reports from before its last size are not counted on', () => {
  const d = deployment({ replicas: 7, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 0, maxUnavailable: 2 } } })
  const sized = (name: string, replicas: number, available: number, generation: number, observedGeneration: number): ReplicaSet => ({
    metadata: { name, namespace: 'ns', uid: name, resourceVersion: '1', generation, creationTimestamp: '2026-01-01T00:00:00Z' },
    spec: { replicas, selector: {} },
    status: { replicas: available, availableReplicas: available, observedGeneration },
  })
  const failing = sized('failing', 2, 0, 1, 1)
  const shrunk = (old: ReplicaSet): Record<string, number> =>
    Object.fromEntries(shrinkOld(d, undefined, [failing, old]).map(({ replicaSet, replicas }) => [replicaSet.metadata.uid, replicas]))
  // It has just gone from 7 to 5, and still tells of 7.
  assert.deepEqual(shrunk(sized('old', 5, 7, 2, 1)), { failing: 0 })
  assert.deepEqual(shrunk(sized('old', 6, 6, 2, 2)), { failing: 0, old: 5 })
  // A template is gone back to while its pods are being deleted: the other's must stay.
  const rollback = deployment({ replicas: 2, strategy: { type: 'RollingUpdate', rollingUpdate: { maxSurge: 1, maxUnavailable: 0 } } })
  assert.deepEqual(shrinkOld(rollback, sized('back', 2, 2, 4, 2), [sized('old', 1, 1, 2, 2)]), [])
  assert.equal(shrinkOld(rollback, sized('back', 2, 2, 4, 4), [sized('old', 1, 1, 2, 2)]).length, 1)
})

test('a rollout that stands still is told after its deadline', () => {
  const world = new World(deployment({ progressDeadlineSeconds: 60 }))
  world.pass()
  assert.equal(world.pass().recheckAfterMs, 61_000)
  world.nowMs += 61_000
  world.pass()
  const { status, reason, message } = progressing(world.d) ?? {}
  assert.deepEqual([status, reason], ['False', 'ProgressDeadlineExceeded'])
  assert.match(message ?? '', /^ReplicaSet "web-.*" has timed out progressing\.$/)
})

test('rollback by annotation: the revision asked for, or the one before', () => {
  const ROLLBACK_TO = 'deprecated.deployment.rollback.to'
  const world = new World(deployment({ image: 'app:1' }))
  for (const image of ['app:1', 'app:2', 'app:3']) {
    world.d = { ...world.d, spec: { ...world.d.spec, template: deployment({ image }).spec.template } }
    world.settle()
  }
  const ask = (revision: string): Deployment => {
    const annotations = { ...world.d.metadata.annotations, [ROLLBACK_TO]: revision, own: 'newer' }
    return { ...world.d, metadata: { ...world.d.metadata, annotations } }
  }
  for (const [asked, reason, image] of [
    ['1', 'DeploymentRollback', 'app:1'],
    ['0', 'DeploymentRollback', 'app:2'],
    ['3', 'DeploymentRollbackTemplateUnchanged', 'app:3'],
    ['9', 'DeploymentRollbackRevisionNotFound', 'app:3'],
  ]) {
    const plan = planRollback(ask(asked as string), world.sets)
    assert.ok(plan)
    assert.equal(plan.event.reason, reason)
    assert.equal(plan.deployment.spec.template.spec?.containers[0]?.image, image)
    assert.deepEqual(plan.deployment.spec.template.metadata?.labels, { app: 'web' })
    assert.equal(plan.deployment.metadata.annotations?.[ROLLBACK_TO], undefined)
    assert.equal(plan.deployment.metadata.annotations?.['own'], reason === 'DeploymentRollback' ? undefined : 'newer')
  }
  assert.equal(planRollback(ask('x'), world.sets), undefined)
  const paused = ask('1')
  assert.equal(planRollback({ ...paused, spec: { ...paused.spec, paused: true } }, world.sets), undefined)
  assert.equal(planRollback(world.d, world.sets), undefined)
  assert.equal(planRollback(ask('0'), world.sets.slice(-1))?.event.message, 'Unable to find last revision.')
})

/** A kubelet with an API and a runtime in memory and a clock of its own, for tests. */
import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { pods } from '../../api/kinds/core/v1.ts'
import type { Container, Pod, PodSpec } from '../../api/kinds/core/v1.ts'
import { FakeClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/logger.ts'
import { Client } from '../../client/client.ts'
import { createInformers } from '../../client/sharedInformer.ts'
import { KUBELET_DEFAULTS, type KubeletConfiguration } from '../configuration.ts'
import { createKubelet } from '../kubelet.ts'
import type { Kubelet } from '../kubelet.ts'
import { FakeApi } from './fakeApi.ts'
import { FakeRuntime } from './fakeRuntime.ts'

export const NODE = 'minicube'

export interface World {
  clock: FakeClock
  api: FakeApi
  runtime: FakeRuntime
  events: string[]
  memory: { availableBytes: number }
  rootDir: string
  /** Ends pods within the time that they were given for a shutdown, while the kubelet runs. */
  endGracefully(): Promise<void>
  /** The kubelet's own. */
  metric(name: string): number | undefined
  /** Stops the kubelet, then the pods. */
  shutDown(maxGraceSeconds: number): Promise<void>
  /** Stops the kubelet and starts another one. */
  restart(): Promise<void>
  /** Lets everything that is due happen until `done`; fails after a bounded number of turns. */
  until(what: string, done: () => boolean): Promise<void>
  pod(name: string): Pod
}

export async function world(t: TestContext, configuration: Partial<KubeletConfiguration> = {}): Promise<World> {
  const clock = new FakeClock()
  const api = new FakeApi()
  const runtime = new FakeRuntime(clock)
  runtime.addImage('busybox:1.36')
  const events: string[] = []
  const memory = { availableBytes: 2 ** 31 }
  const rootDir = await mkdtemp(join(tmpdir(), 'kubelet-'))
  const client = new Client(api)
  let stop = async (): Promise<void> => {}
  let kubelet: Kubelet | undefined
  const start = (): void => {
    const abort = new AbortController()
    const informers = createInformers({ client, signal: abort.signal, log: silentLogger, clock })
    const own = (kubelet = createKubelet({
      client,
      informers,
      clock,
      runtime,
      nodeName: NODE,
      nodeIp: '192.168.0.2',
      rootDir,
      clusterDns: ['10.96.0.10'],
      clusterDomain: 'cluster.local',
      signals: async () => ({
        memory: { available: memory.availableBytes, capacity: 2 ** 32 },
        disk: { available: 2 ** 33, capacity: 2 ** 34 },
        inodes: { available: 1e6, capacity: 2e6 },
        pids: { available: 30_000, capacity: 32_768 },
      }),
      pinSubPath: async () => {},
      configuration: { ...KUBELET_DEFAULTS, ...configuration },
      manifestsDirectory: join(rootDir, 'manifests'),
      events: { record: (about, event) => void events.push(`${event.type} ${event.reason} ${about.metadata.name}: ${event.message}`) },
      capacity: async () => ({ cpuMilli: 2000, memoryBytes: 2 ** 32, ephemeralStorageBytes: 2 ** 34, pods: 110, hugePages: [] }),
    }))
    const done = own.run({ signal: abort.signal, log: silentLogger, clock, ready: () => {} })
    stop = async () => {
      abort.abort()
      await done.catch(() => {})
    }
  }
  t.after(async () => {
    await stop()
    await rm(rootDir, { recursive: true, force: true })
  })
  start()
  return {
    clock,
    api,
    runtime,
    events,
    memory,
    rootDir,
    endGracefully: async () => kubelet?.shutDown(),
    metric: (name) => kubelet?.measures.metrics().find((metric) => metric.name === name)?.samples[0]?.value,
    async shutDown(maxGraceSeconds) {
      await stop()
      await kubelet?.terminatePods(maxGraceSeconds, { signal: AbortSignal.timeout(5000), log: silentLogger, clock })
    },
    async restart() {
      await stop()
      start()
    },
    async until(what, done) {
      for (let turn = 0; turn < 2000; turn++) {
        if (done()) return
        await clock.advance(0)
        // Real file access takes real turns of the event loop.
        await new Promise((resolve) => setTimeout(resolve, 1))
      }
      assert.fail(`never happened: ${what}\n${runtime.calls.join('\n')}\n${events.join('\n')}`)
    },
    pod: (name) => api.get(pods, 'default', name) as Pod,
  }
}

export const main: Container = { name: 'main', image: 'busybox:1.36' }

export function newPod(name: string, spec: Partial<PodSpec> = {}, metadata: object = {}): Pod {
  return {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name, namespace: 'default', uid: `uid-${name}`, creationTimestamp: '', resourceVersion: '', generation: 1, ...metadata },
    spec: { nodeName: NODE, containers: [main], ...spec },
  }
}

export const phase = (w: World, name: string): string | undefined => w.pod(name)?.status?.phase
export const waitingReason = (w: World, name: string): string | undefined =>
  w.pod(name)?.status?.containerStatuses?.[0]?.state?.waiting?.reason

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseExtraConfig } from '../../api/componentOptions.ts'
import type { ProfileConfig } from '../profile.ts'
import { flagsForNextStart } from './startCluster.ts'
import type { StartClusterOptions } from './startContext.ts'

const extraConfig = ['kubelet.max-pods=50']
const running = {
  cpus: 2,
  publish: ['8080:30080'],
  image: 'node:1',
  extraConfig: parseExtraConfig(extraConfig),
} as unknown as ProfileConfig

const cases: readonly [asked: Partial<StartClusterOptions>, flags: string[]][] = [
  [{}, []],
  [{ cpus: 2, publish: ['8080:30080'], fakeNodes: 0, extraConfig, image: 'node:1' }, []],
  [{ cpus: 4, memoryBytes: 2 ** 31 }, ['--cpus', '--memory']],
  [{ publish: [], fakeNodes: 3 }, ['--publish', '--fake-nodes']],
  [{ extraConfig: ['kubelet.max-pods=60'], image: 'node:2' }, ['--extra-config', '--image']],
]
for (const [asked, flags] of cases)
  test(`a running cluster that is asked for ${JSON.stringify(asked)}`, () =>
    assert.deepEqual(flagsForNextStart(asked as StartClusterOptions, running), flags))

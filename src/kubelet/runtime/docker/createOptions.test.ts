import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import type { HostConfig } from 'dockerode'
import type { ContainerConfig, SandboxConfig } from '../runtime.ts'
import { containerCreateOptions, engineResources, sandboxCreateOptions } from './createOptions.ts'
import { ALL_PRIVILEGES, capabilityRequest, oomScoreAdjWithin, privilegesFrom } from './privileges.ts'
import { CONTAINER, POD, SANDBOX } from './testConfigs.ts'

const LACKING = { missing: ['SYS_RESOURCE'], privilegedWorks: false, oomScoreAdjFloor: 0 }

describe('sandboxes', () => {
  const cases: [name: string, change: Partial<SandboxConfig>, expected: Partial<HostConfig>][] = [
    ['own namespaces', {}, { NetworkMode: 'none', IpcMode: 'shareable', SecurityOpt: [] }],
    ["the node's", { network: 'node', ipcMode: 'node', pidMode: 'node' }, { NetworkMode: 'host', IpcMode: 'host', PidMode: 'host' }],
    ['sysctls', { sysctls: { 'net.ipv4.ping_group_range': '0 1' } }, { Sysctls: { 'net.ipv4.ping_group_range': '0 1' } }],
  ]
  for (const [name, change, expected] of cases) {
    test(name, () => {
      const { HostConfig } = sandboxCreateOptions(
        { ...SANDBOX, ...change },
        { pauseImage: 'pause', ips: [] },
        { privileges: ALL_PRIVILEGES },
      )
      for (const [key, value] of Object.entries(expected)) assert.deepEqual(HostConfig?.[key as keyof HostConfig], value, key)
    })
  }
  test('the engine makes no network for a pod, and its own for none', () => {
    const disabled = (network: SandboxConfig['network']) =>
      sandboxCreateOptions({ ...SANDBOX, network }, { pauseImage: 'pause', ips: [] }, { privileges: ALL_PRIVILEGES }).NetworkDisabled
    assert.deepEqual([disabled('pod'), disabled('node')], [true, false])
  })
})

function options(change: Partial<ContainerConfig>, sandbox: Partial<SandboxConfig> = {}, privileges = ALL_PRIVILEGES) {
  return containerCreateOptions(
    POD,
    { ...SANDBOX, ...sandbox, id: 'S' },
    { ...CONTAINER, ...change },
    { privileges, seccompJson: '{}', logs: { maxSizeBytes: 5000, maxFiles: 3 } },
  )
}

describe('containers', () => {
  test('join their sandbox', () => {
    const { NetworkMode, IpcMode, PidMode, CgroupParent } = options({}).HostConfig ?? {}
    assert.deepEqual([NetworkMode, IpcMode, PidMode, CgroupParent], ['container:S', 'container:S', undefined, '/kubepods/podu1'])
    const shared = options({}, { pidMode: 'pod', ipcMode: 'node' }).HostConfig
    assert.deepEqual([shared?.PidMode, shared?.IpcMode], ['container:S', 'host'])
  })
  test("command and args take the places of entrypoint and command; what is not given stays the image's", () => {
    assert.deepEqual([options({}).Entrypoint, options({}).Cmd], [undefined, undefined])
    const { Entrypoint, Cmd } = options({ command: ['a'], args: ['b', 'c'] })
    assert.deepEqual([Entrypoint, Cmd], [['a'], ['b', 'c']])
  })
  test('environment is exact', () => {
    assert.deepEqual(
      options({
        env: [
          ['a-b', '='],
          ['EMPTY', ''],
          ['A', '1\n2'],
        ],
      }).Env,
      ['a-b==', 'EMPTY=', 'A=1\n2'],
    )
  })
  test('mounts with their propagation', () => {
    const { HostConfig } = options({
      mounts: [
        { hostPath: '/a', containerPath: '/b', readOnly: true, propagation: 'None' },
        { hostPath: '/c:d', containerPath: '/e', readOnly: false, propagation: 'Bidirectional' },
      ],
    })
    assert.deepEqual(HostConfig?.Mounts, [
      { Type: 'bind', Source: '/a', Target: '/b', ReadOnly: true, BindOptions: { ReadOnlyNonRecursive: true } },
      { Type: 'bind', Source: '/c:d', Target: '/e', ReadOnly: false, BindOptions: { Propagation: 'rshared' } },
    ])
  })
  test('security', () => {
    const { HostConfig } = options({
      security: {
        ...CONTAINER.security,
        capabilitiesAdd: ['CAP_NET_ADMIN'],
        capabilitiesDrop: ['ALL'],
        noNewPrivileges: true,
        procMount: 'Unmasked',
        seccomp: { type: 'Localhost', path: 'x.json' },
        apparmorProfile: 'unconfined',
        supplementalGroups: [1, 2],
        readOnlyRootFilesystem: true,
      },
    })
    assert.deepEqual(HostConfig?.SecurityOpt, ['seccomp={}', 'no-new-privileges', 'apparmor=unconfined'])
    assert.deepEqual(
      [HostConfig?.CapAdd, HostConfig?.CapDrop, HostConfig?.MaskedPaths, HostConfig?.ReadonlyPaths],
      [['NET_ADMIN'], ['ALL'], [], []],
    )
    assert.deepEqual([HostConfig?.GroupAdd, HostConfig?.ReadonlyRootfs], [['1', '2'], true])
  })
  test("privileged is the engine's own where the host has it all, and put together where it lacks something", () => {
    const security = { ...CONTAINER.security, privileged: true }
    assert.equal(options({ security }).HostConfig?.Privileged, true)
    const { HostConfig } = options({ security }, {}, LACKING)
    assert.deepEqual([HostConfig?.Privileged, HostConfig?.CapDrop], [undefined, []])
    assert.deepEqual([HostConfig?.CapAdd.length, HostConfig?.CapAdd.includes('SYS_RESOURCE')], [40, false])
    assert.deepEqual(HostConfig?.DeviceCgroupRules, ['a *:* rwm'])
  })
  test('an out-of-memory score below what the host allows is raised to it', () => {
    assert.equal(options({ resources: { oomScoreAdj: -997 } }).HostConfig?.OomScoreAdj, -997)
    assert.equal(options({ resources: { oomScoreAdj: -997 } }, {}, LACKING).HostConfig?.OomScoreAdj, 0)
  })
})

test('limits: memory takes swap along, and nothing is said of what is undefined', () => {
  assert.deepEqual(engineResources({}), {})
  assert.deepEqual(engineResources({ memoryLimitBytes: 64, cpuShares: 2, cpuQuotaUs: 5, cpuPeriodUs: 10, pidsLimit: 9 }), {
    Memory: 64,
    MemorySwap: 64,
    CpuShares: 2,
    CpuQuota: 5,
    CpuPeriod: 10,
    PidsLimit: 9,
  })
})

describe("the host's privileges", () => {
  test('are read from the kernel', () => {
    assert.deepEqual(privilegesFrom('Name:\tx\nCapBnd:\t000001fffeffffff\n', '0\n', '20.10.24+dfsg1'), LACKING)
    assert.deepEqual(privilegesFrom('CapBnd:\t000001fffeffffff\n', '0\n', '26.1.5+dfsg1'), { ...LACKING, privilegedWorks: true })
    assert.deepEqual(privilegesFrom('CapBnd:\t000001ffffffffff\n', '-5\n', '20.10.24'), ALL_PRIVILEGES)
  })
  test('what is missing is not asked for', () => {
    assert.deepEqual(capabilityRequest(['sys_resource', 'CAP_CHOWN'], [], LACKING), { CapAdd: ['CHOWN'], CapDrop: [] })
    assert.deepEqual(capabilityRequest(['CHOWN'], ['KILL', 'SYS_RESOURCE', 'ALL'], LACKING), {
      CapAdd: ['CHOWN'],
      CapDrop: ['KILL', 'ALL'],
    })
    assert.deepEqual(capabilityRequest(['ALL'], [], ALL_PRIVILEGES), { CapAdd: ['ALL'], CapDrop: [] })
    assert.equal(oomScoreAdjWithin(undefined, LACKING), undefined)
    assert.equal(oomScoreAdjWithin(1000, LACKING), 1000)
  })
})

/** Custom resources as a user of kubectl meets them, on a control plane with all its controllers. */
import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { after, before, test } from 'node:test'
import { setTimeout as sleep } from 'node:timers/promises'
import { findTool } from '../../src/cluster/kubernetesTools.ts'

const root = join(import.meta.dirname, '../..')
const folder = mkdtempSync(join(tmpdir(), 'minicube-custom-resources-'))
const kubeconfig = join(folder, 'kubeconfig')
let kubectlPath = ''
let controlPlane: ReturnType<typeof spawn>

before(async () => {
  kubectlPath = await findTool('kubectl')
  const args = ['src/node/controlPlane.ts', '--listen', '127.0.0.1:0', '--data', 'memory', '--kubeconfig', kubeconfig]
  controlPlane = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'pipe', 'inherit'] })
  await once(createInterface({ input: controlPlane.stdout as NodeJS.ReadableStream }), 'line')
})

after(async () => {
  const ended = once(controlPlane, 'exit')
  controlPlane.kill()
  await ended
  rmSync(folder, { recursive: true, force: true })
})

interface Answer {
  code: number
  stdout: string
  stderr: string
}

function kubectl(args: readonly string[], input: object | string = ''): Promise<Answer> {
  const env = { ...process.env, KUBECONFIG: kubeconfig, HOME: folder }
  return new Promise((resolve) => {
    const child = execFile(kubectlPath, args, { env }, (error, stdout, stderr) =>
      resolve({ code: error ? Number(error.code ?? 1) : 0, stdout, stderr }),
    )
    child.stdin?.end(typeof input === 'string' ? input : JSON.stringify(input))
  })
}

async function succeeds(args: readonly string[], input?: object | string): Promise<string> {
  const { code, stdout, stderr } = await kubectl(args, input)
  assert.equal(code, 0, `kubectl ${args.join(' ')}: ${stderr}`)
  return stdout
}

async function until(what: string, done: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 100; tries++) {
    if (await done()) return
    await sleep(50)
  }
  assert.fail(`${what} did not come about`)
}

const GROUP = 'shop.example.com'

const definition = {
  apiVersion: 'apiextensions.k8s.io/v1',
  kind: 'CustomResourceDefinition',
  metadata: { name: `gadgets.${GROUP}` },
  spec: {
    group: GROUP,
    scope: 'Namespaced',
    names: { plural: 'gadgets', singular: 'gadget', kind: 'Gadget', shortNames: ['gd'], categories: ['all'] },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        subresources: { status: {}, scale: { specReplicasPath: '.spec.size', statusReplicasPath: '.status.size' } },
        selectableFields: [{ jsonPath: '.spec.color' }],
        additionalPrinterColumns: [
          { name: 'Size', type: 'integer', jsonPath: '.spec.size' },
          { name: 'Ready', type: 'string', jsonPath: '.status.conditions[?(@.type=="Ready")].status' },
          { name: 'Color', type: 'string', jsonPath: '.spec.color', priority: 1 },
        ],
        schema: {
          openAPIV3Schema: {
            type: 'object',
            description: 'Something of the shop',
            properties: {
              spec: {
                type: 'object',
                description: 'What is wanted of it',
                'x-kubernetes-validations': [{ rule: 'self.size <= 100', message: 'too big' }],
                properties: {
                  size: { type: 'integer', minimum: 0, default: 5 },
                  color: { type: 'string', enum: ['red', 'green'], default: 'red' },
                  ports: {
                    type: 'array',
                    'x-kubernetes-list-type': 'map',
                    'x-kubernetes-list-map-keys': ['name'],
                    items: { type: 'object', required: ['name'], properties: { name: { type: 'string' }, port: { type: 'integer' } } },
                  },
                },
              },
              status: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true },
            },
          },
        },
      },
      {
        name: 'v1beta1',
        served: true,
        storage: false,
        deprecated: true,
        schema: { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } },
      },
    ],
  },
}

const gadget = (name: string, spec: object, rest: object = {}) => ({
  apiVersion: `${GROUP}/v1`,
  kind: 'Gadget',
  metadata: { name, ...rest },
  spec,
})

test('custom resources with kubectl, from their definition to its end', async (t) => {
  await succeeds(['apply', '-f', '-'], definition)
  await succeeds(['wait', '--for=condition=Established', `crd/gadgets.${GROUP}`, '--timeout=10s'])

  await t.test('applied, shown, explained', async () => {
    assert.match(await succeeds(['apply', '-f', '-'], gadget('one', { size: 3 })), /created/)
    assert.match(await succeeds(['apply', '-f', '-'], gadget('one', { size: 7 })), /configured/)
    assert.match(await succeeds(['apply', '-f', '-'], gadget('one', { size: 7 })), /unchanged/)
    assert.match(await succeeds(['get', 'gd']), /^NAME +SIZE +READY *\none +7 *\n$/)
    assert.match(await succeeds(['get', 'gd', '-o', 'wide']), /COLOR\none +7 +red/)
    assert.match(await succeeds(['get', 'all']), /gadget\.shop\.example\.com\/one/)
    assert.match(await succeeds(['describe', 'gadget', 'one']), /Color: +red/)
    assert.match(await succeeds(['explain', 'gadgets.spec']), /What is wanted of it[\s\S]*ports\t<\[\]Object>/)
    assert.match(await succeeds(['api-resources', `--api-group=${GROUP}`]), /gadgets +gd +shop\.example\.com\/v1 +true +Gadget/)
    assert.equal(await succeeds(['get', 'gd', '--field-selector', 'spec.color=red', '-o', 'name']), 'gadget.shop.example.com/one\n')
  })

  await t.test('in its other version, which warns', async () => {
    const { stdout, stderr } = await kubectl(['get', `gadgets.v1beta1.${GROUP}`, 'one', '-o', 'jsonpath={.apiVersion} {.spec.size}'])
    assert.equal(stdout, `${GROUP}/v1beta1 7`)
    assert.match(stderr, /Warning: shop\.example\.com\/v1beta1 Gadget is deprecated; use shop\.example\.com\/v1 Gadget/)
  })

  await t.test('refused where it breaks the schema', async () => {
    const refused = async (spec: object): Promise<string> => (await kubectl(['create', '-f', '-'], gadget('two', spec))).stderr
    assert.match(await refused({ bogus: 1 }), /strict decoding error: unknown field "spec\.bogus"/)
    assert.match(await refused({ color: 'blue' }), /spec\.color: Unsupported value: "blue": supported values: "red", "green"/)
    assert.match(await refused({ size: 101 }), /spec: Invalid value: too big/)
  })

  await t.test('applied by two managers, item by item', async () => {
    const ports = (name: string) => gadget('shared', { ports: [{ name, port: 1 }] })
    await succeeds(['apply', '--server-side', '--field-manager=a', '-f', '-'], ports('x'))
    await succeeds(['apply', '--server-side', '--field-manager=b', '-f', '-'], ports('y'))
    const names = ['get', 'gd', 'shared', '-o', 'jsonpath={.spec.ports[*].name}']
    assert.equal(await succeeds(names), 'x y')
    await succeeds(['apply', '--server-side', '--field-manager=a', '-f', '-'], gadget('shared', {}))
    assert.equal(await succeeds(names), 'y')
  })

  await t.test('scaled, and its status written', async () => {
    await succeeds(['scale', 'gd/one', '--replicas=9'])
    const status = { conditions: [{ type: 'Ready', status: 'True' }] }
    await succeeds(['patch', 'gd', 'one', '--subresource=status', '--type=merge', '-p', JSON.stringify({ status })])
    assert.match(await succeeds(['get', 'gd', 'one']), /one +9 +True/)
  })

  await t.test('counted by a quota, collected with its owner, gone with its namespace', async () => {
    await succeeds(['create', 'namespace', 'a'])
    await succeeds(['-n', 'a', 'create', 'quota', 'q', `--hard=count/gadgets.${GROUP}=2`])
    await until('the quota', async () => (await succeeds(['-n', 'a', 'get', 'quota', 'q', '-o', 'jsonpath={.status.hard}'])) !== '')
    const create = (body: object): Promise<Answer> => kubectl(['-n', 'a', 'create', '-f', '-'], body)
    assert.equal((await create(gadget('owner', {}))).code, 0)
    const uid = await succeeds(['-n', 'a', 'get', 'gd', 'owner', '-o', 'jsonpath={.metadata.uid}'])
    const ownerReferences = [{ apiVersion: `${GROUP}/v1`, kind: 'Gadget', name: 'owner', uid }]
    assert.equal((await create(gadget('owned', {}, { ownerReferences }))).code, 0)
    assert.match((await create(gadget('more', {}))).stderr, /exceeded quota: q, requested: count\/gadgets\.shop\.example\.com=1/)
    await succeeds(['-n', 'a', 'delete', 'gd', 'owner'])
    await until('the end of what was owned', async () => (await succeeds(['-n', 'a', 'get', 'gd', '-o', 'name'])) === '')
    const used = ['-n', 'a', 'get', 'quota', 'q', '-o', `jsonpath={.status.used.count/gadgets\\.shop\\.example\\.com}`]
    await until('the count', async () => (await succeeds(used)) === '0')
    assert.equal((await create(gadget('last', {}))).code, 0)
    await succeeds(['delete', 'namespace', 'a', '--timeout=20s'])
  })

  await t.test('gone with its definition, which waits for finalizers', async () => {
    await succeeds(['create', '-f', '-'], gadget('held', {}, { finalizers: ['example.com/held'] }))
    await succeeds(['delete', 'crd', `gadgets.${GROUP}`, '--wait=false'])
    await until('the end of all others', async () => (await succeeds(['get', 'gd', '-o', 'name'])) === 'gadget.shop.example.com/held\n')
    assert.match(
      (await kubectl(['create', '-f', '-'], gadget('late', {}))).stderr,
      /create not allowed while custom resource definition is terminating/,
    )
    await succeeds(['patch', 'gd', 'held', '--type=merge', '-p', '{"metadata":{"finalizers":null}}'])
    await succeeds(['wait', '--for=delete', `crd/gadgets.${GROUP}`, '--timeout=10s'])
    assert.doesNotMatch(await succeeds(['api-versions']), /shop\.example\.com/)
  })
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { parse } from 'yaml'
import { type ClusterEntry, findCluster, KubeconfigSyntaxError, putCluster, removeCluster } from './document.ts'

const entry: ClusterEntry = {
  name: 'minicube',
  server: 'https://127.0.0.1:26443',
  certificateAuthorityData: 'Q0E=',
  clientCertificateData: 'Q0VSVA==',
  clientKeyData: 'S0VZ',
}

const FOREIGN = `# mine, hands off
apiVersion: v1
kind: Config
preferences:
  colors: true
clusters:
- name: work # the big one
  cluster:
    server: https://work.example:6443
    insecure-skip-tls-verify: true
    extensions:
    - name: tool
      extension: {a: 1}
users:
- name: me
  user:
    exec:
      command: login
      apiVersion: client.authentication.k8s.io/v1
contexts:
- name: work
  context: {cluster: work, user: me, namespace: team}
current-context: work
someday: unknown
`

test('an empty file becomes a kubeconfig', () => {
  const config = parse(putCluster('', entry, { setCurrent: true })) as Record<string, unknown>
  assert.equal(config.apiVersion, 'v1')
  assert.equal(config.kind, 'Config')
  assert.equal(config['current-context'], 'minicube')
  assert.deepEqual(config.contexts, [{ context: { cluster: 'minicube', user: 'minicube' }, name: 'minicube' }])
})

test('foreign entries, comments, order and unknown fields stay', () => {
  const text = putCluster(FOREIGN, entry, { setCurrent: true })
  for (const part of ['# mine, hands off', '# the big one', 'someday: unknown', 'colors: true', 'extension:'])
    assert.ok(text.includes(part), part)
  const before = parse(FOREIGN) as { clusters: unknown[]; users: unknown[]; contexts: unknown[] }
  const after = parse(text) as typeof before & { 'current-context': string }
  for (const list of ['clusters', 'users', 'contexts'] as const) assert.deepEqual(after[list].slice(0, 1), before[list])
  assert.equal(after['current-context'], 'minicube')
})

test('put, then remove, answers the same data', () => {
  const config = parse(removeCluster(putCluster(FOREIGN, entry, { setCurrent: false }), 'minicube')) as unknown
  assert.deepEqual(config, parse(FOREIGN))
})

test('removing what is not there leaves the text as it is', () => {
  assert.equal(removeCluster(FOREIGN, 'minicube'), FOREIGN)
})

test('the current context is taken out only if it is ours', () => {
  const ours = parse(removeCluster(putCluster(FOREIGN, entry, { setCurrent: true }), 'minicube')) as Record<string, unknown>
  assert.equal(ours['current-context'], '')
  const theirs = parse(removeCluster(putCluster(FOREIGN, entry, { setCurrent: false }), 'minicube')) as Record<string, unknown>
  assert.equal(theirs['current-context'], 'work')
})

test('--keep-context leaves the current context alone, even where there is none', () => {
  assert.equal((parse(putCluster('', entry, { setCurrent: false })) as Record<string, unknown>)['current-context'], undefined)
})

test('an update replaces what is ours and keeps the namespace of the context', () => {
  const once = putCluster('', entry, { setCurrent: true })
  const withNamespace = once.replace('    user: minicube\n', '    user: minicube\n    namespace: dev\n')
  assert.notEqual(withNamespace, once)
  const config = parse(putCluster(withNamespace, { ...entry, server: 'https://127.0.0.1:1' }, { setCurrent: true })) as {
    clusters: { cluster: { server: string } }[]
    contexts: { context: { namespace?: string } }[]
  }
  assert.equal(config.clusters.length, 1)
  assert.equal(config.clusters[0]?.cluster.server, 'https://127.0.0.1:1')
  assert.equal(config.contexts[0]?.context.namespace, 'dev')
})

test('long lines are not folded', () => {
  const text = putCluster('', { ...entry, certificateAuthorityData: 'QUFB'.repeat(500) }, { setCurrent: true })
  assert.ok(text.includes(`certificate-authority-data: ${'QUFB'.repeat(500)}\n`))
})

test('what is no kubeconfig is refused', () => {
  for (const text of ['a: [', '- a\n- b\n', 'kind: Pod\n', 'clusters: {a: b}\n', 'just words\n', 'a: 1\na: 2\n']) {
    assert.throws(() => putCluster(text, entry, { setCurrent: true }), KubeconfigSyntaxError, text)
  }
})

test('JSON, empty lists and null lists are kubeconfigs too', () => {
  for (const text of ['{"apiVersion":"v1","kind":"Config","clusters":[],"users":null}', 'clusters:\nusers: []\n', '---\n']) {
    assert.deepEqual(
      findCluster(putCluster(text, entry, { setCurrent: true }), 'minicube'),
      { server: entry.server, isCurrent: true },
      text,
    )
  }
})

test('a cluster without its user or context is not found', () => {
  assert.equal(findCluster(FOREIGN, 'minicube'), undefined)
  assert.equal(findCluster('clusters:\n- name: minicube\n  cluster: {server: x}\n', 'minicube'), undefined)
})

test('law: whatever clusters are put and removed in whatever order, the others are untouched', () => {
  const names = fc.constantFrom('a', 'b', 'c')
  const operation = fc.record({ name: names, put: fc.boolean() })
  fc.assert(
    fc.property(fc.array(operation, { maxLength: 20 }), (operations) => {
      const expected = new Set<string>()
      let text = FOREIGN
      for (const { name, put } of operations) {
        text = put ? putCluster(text, { ...entry, name }, { setCurrent: false }) : removeCluster(text, name)
        if (put) expected.add(name)
        else expected.delete(name)
      }
      const found = (parse(text) as { clusters: { name: string }[] }).clusters.map((cluster) => cluster.name)
      assert.deepEqual(found.toSorted(), ['work', ...expected].toSorted())
    }),
  )
})

const styles: readonly [name: string, text: string][] = [
  [
    "kubectl's",
    'clusters:\n# work\n- cluster: {server: https://a}\n  name: work\nusers:\n- name: me\n  user:\n    exec:\n      args: [a, b]\n',
  ],
  [
    'an indented one',
    'clusters:\n  # work\n  - cluster: { server: https://a }\n    name: work\nusers:\n  - name: me\n    user:\n      exec:\n        args: [ a, b ]\n',
  ],
]
for (const [name, text] of styles)
  test(`what others wrote looks as before: ${name} style`, () => {
    const lines = putCluster(text, entry, { setCurrent: false }).split('\n')
    for (const line of text.split('\n')) assert.ok(lines.includes(line), line)
    assert.deepEqual(removeCluster(lines.join('\n'), entry.name).replace(/contexts: .*\n/, ''), text)
  })

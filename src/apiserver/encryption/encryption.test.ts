import assert from 'node:assert/strict'
import { describe, test } from 'node:test'
import { Registry } from 'prom-client'
import { EncryptionMetrics } from '../metrics/encryptionMetrics.ts'
import { parseEncryptionConfiguration } from './configuration.ts'
import { Encryption } from './encryption.ts'

const KEY_16 = Buffer.alloc(16, 1).toString('base64')
const KEY_32 = Buffer.alloc(32, 2).toString('base64')
const SECRETS = { group: '', resource: 'secrets' }
const PLACE = '/registry/secrets/default/s'

const file = (...resources: object[]): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'EncryptionConfiguration', resources })
const keys = (name: string, secret: string): object => ({ keys: [{ name, secret }] })
const secrets = (...providers: object[]): string => file({ resources: ['secrets'], providers })
const identity = { identity: {} }

const opened = (document: string): Encryption => new Encryption(document, new EncryptionMetrics())
const text = (bytes: Uint8Array, length = bytes.byteLength): string => Buffer.from(bytes).toString('latin1').slice(0, length)
const PLAIN = Buffer.from('{"kind":"Secret"}')

describe('values in the store', () => {
  const ciphers: [provider: string, secret: string, prefix: string][] = [
    ['aescbc', KEY_16, 'k8s:enc:aescbc:v1:k:'],
    ['aescbc', KEY_32, 'k8s:enc:aescbc:v1:k:'],
    ['aesgcm', KEY_16, 'k8s:enc:aesgcm:v1:k:'],
    ['aesgcm', KEY_32, 'k8s:enc:aesgcm:v1:k:'],
    ['secretbox', KEY_32, 'k8s:enc:secretbox:v1:k:'],
  ]
  for (const [provider, secret, prefix] of ciphers)
    test(`${provider} with ${Buffer.from(secret, 'base64').length} bytes`, () => {
      const encryption = opened(secrets({ [provider]: keys('k', secret) }))
      for (const plain of [PLAIN, Buffer.alloc(16, 'a'), Buffer.alloc(100_000, 'a')]) {
        const stored = encryption.toStore(SECRETS, PLACE, plain)
        assert.equal(text(stored, prefix.length), prefix)
        const read = encryption.fromStore(SECRETS, PLACE, stored)
        assert.deepEqual([text(read.plain), read.stale], [text(plain), false])
      }
      const stored = encryption.toStore(SECRETS, PLACE, PLAIN)
      assert.throws(() => encryption.fromStore(SECRETS, PLACE, stored.subarray(0, prefix.length + 5)), /shorter than the required size/)
      assert.throws(() => encryption.fromStore(SECRETS, PLACE, PLAIN), /no matching prefix found/)
    })

  test('a value that was moved is not read by those who can tell', () => {
    const encryption = opened(secrets({ aesgcm: keys('k', KEY_32) }))
    const stored = encryption.toStore(SECRETS, PLACE, PLAIN)
    assert.throws(() => encryption.fromStore(SECRETS, '/registry/secrets/default/other', stored), /message authentication failed/)
  })

  test('what another provider or key has written is read, and written anew', () => {
    const old = opened(secrets({ aescbc: keys('old', KEY_16) }))
    const next = opened(secrets({ aescbc: keys('new', KEY_32) }, { aescbc: keys('old', KEY_16) }, identity))
    for (const stored of [old.toStore(SECRETS, PLACE, PLAIN), PLAIN]) {
      const { plain, stale } = next.fromStore(SECRETS, PLACE, stored)
      assert.deepEqual([text(plain), stale], [text(PLAIN), true])
    }
    assert.match(text(next.toStore(SECRETS, PLACE, PLAIN)), /^k8s:enc:aescbc:v1:new:/)
    const back = opened(secrets(identity, { aescbc: keys('old', KEY_16) }))
    assert.deepEqual(back.fromStore(SECRETS, PLACE, old.toStore(SECRETS, PLACE, PLAIN)), { plain: Buffer.from(PLAIN), stale: true })
    assert.equal(back.toStore(SECRETS, PLACE, PLAIN), PLAIN)
  })

  test('what cannot be read is told in upstream’s words', () => {
    const written = opened(secrets({ aescbc: keys('old', KEY_16) })).toStore(SECRETS, PLACE, PLAIN)
    const read = (document: string) => () => opened(document).fromStore(SECRETS, PLACE, written)
    assert.throws(read(secrets({ aescbc: keys('new', KEY_16) })), /^Error: no matching key was found for the provided AES transformer$/)
    assert.throws(read(secrets({ aesgcm: keys('old', KEY_16) })), /^Error: no matching prefix found$/)
    assert.throws(read(secrets(identity)), /^Error: no matching prefix found$/)
    assert.throws(read(file({ resources: ['pods'], providers: [identity] })), /identity transformer tried to read encrypted data/)
  })

  test('the resource itself, its group, and everything, in this order', () => {
    const encryption = opened(
      file(
        { resources: ['deployments.apps', 'events'], providers: [identity] },
        { resources: ['*.apps'], providers: [{ aescbc: keys('apps', KEY_16) }] },
        { resources: ['*.'], providers: [{ aescbc: keys('core', KEY_16) }] },
        { resources: ['*.*'], providers: [{ aescbc: keys('all', KEY_16) }] },
      ),
    )
    const writtenBy = (group: string, resource: string): string =>
      /^k8s:enc:aescbc:v1:(\w+):/.exec(text(encryption.toStore({ group, resource }, PLACE, PLAIN)))?.[1] ?? ''
    assert.equal(writtenBy('apps', 'deployments'), '')
    assert.equal(writtenBy('apps', 'replicasets'), 'apps')
    assert.equal(writtenBy('', 'events'), '')
    assert.equal(writtenBy('', 'secrets'), 'core')
    assert.equal(writtenBy('example.com', 'widgets'), 'all')
  })

  test('another file is in force at once, a wrong one changes nothing', () => {
    const encryption = opened(secrets(identity))
    let told = 0
    encryption.onChange(() => told++)
    assert.equal(encryption.replace(secrets(identity)), false)
    assert.throws(() => encryption.replace(secrets()), /at least one resources\[0\].providers is required/)
    assert.equal(encryption.toStore(SECRETS, PLACE, PLAIN), PLAIN)
    assert.equal(encryption.replace(secrets({ aescbc: keys('k', KEY_16) })), true)
    assert.match(text(encryption.toStore(SECRETS, PLACE, PLAIN)), /^k8s:enc:/)
    assert.equal(told, 1)
  })

  test('is counted under upstream’s names', async () => {
    const metrics = new EncryptionMetrics()
    const registry = new Registry()
    metrics.register(registry)
    const encryption = new Encryption(secrets({ aescbc: keys('k', KEY_16) }, identity), metrics)
    encryption.fromStore(SECRETS, PLACE, encryption.toStore(SECRETS, PLACE, PLAIN))
    assert.throws(() => encryption.fromStore(SECRETS, PLACE, Buffer.from('k8s:enc:kms:v2:x:')))
    const lines = (await registry.metrics()).split('\n').filter((line) => /_operations_total\{/.test(line))
    const row = (type: string, prefix: string, status: string): string =>
      `apiserver_storage_transformation_operations_total{resource="secrets",transformation_type="${type}",transformer_prefix="${prefix}",status="${status}"} 1`
    for (const prefix of ['k8s:enc:aescbc:v1:', 'k:'])
      for (const type of ['to_storage', 'from_storage']) assert.ok(lines.includes(row(type, prefix, 'OK')), lines.join('\n'))
    assert.ok(lines.includes(row('from_storage', 'unknown', 'unknown-non-grpc')))
  })
})

describe('the file', () => {
  const one = (entry: object): string => file({ resources: ['secrets'], providers: [identity], ...entry })
  const cases: [name: string, document: string, expected: RegExp][] = [
    ['of another kind', '{"kind":"X","apiVersion":"v1"}', /no kind "X" is known for version "v1"/],
    ['no YAML', 'a: [', /yaml/],
    ['a field that nobody knows', one({ foo: 1 }), /strict decoding error: unknown field "resources\[0\].foo"/],
    ['a text that is none', one({ resources: [1] }), /cannot unmarshal number into Go struct field/],
    ['nothing', file(), /^resources: Required value: at least one resources is required$/],
    ['no resources', one({ resources: [] }), /resources\[0\].resources: Required value: at least one resources\[0\].resources is required/],
    ['capital letters', one({ resources: ['Secrets'] }), /resources\[0\].resources\[0\]: Invalid value: "Secrets": .* capital letters/],
    ['a star alone', one({ resources: ['*'] }), /use '\*\.' to encrypt all the resources from core API group/],
    ['a resource of all groups', one({ resources: ['secrets.*'] }), /encrypting the same resource across groups is not supported/],
    ['events of the other group', one({ resources: ['*.events.k8s.io'] }), /Use 'events' instead in the config file/],
    ['what is not served', one({ resources: ['apiserveripinfo'] }), /resources which do not have REST API\/s cannot be encrypted/],
    [
      'one resource twice',
      one({ resources: ['a', 'a'] }),
      /Invalid value: \["a","a"\]: the same resource cannot be specified multiple times/,
    ],
    ['what hides another', one({ resources: ['secrets', '*.'] }), /overlapping resources such as 'secrets' and '\*\.' /],
    ['no provider in a provider', one({ providers: [{}] }), /does not contain any of the expected providers: KMS, AESGCM/],
    [
      'two in one',
      one({ providers: [{ identity: {}, aescbc: keys('k', KEY_16) }] }),
      /more than one provider specified in a single element/,
    ],
    [
      'no keys',
      one({ providers: [{ aescbc: { keys: [] } }] }),
      /providers\[0\].aescbc.keys: Required value: at least one keys is required/,
    ],
    [
      'a key without a name',
      one({ providers: [{ aescbc: keys('', KEY_16) }] }),
      /keys\[0\].name: Required value: name is a mandatory field for a key/,
    ],
    [
      'a short key',
      one({ providers: [{ aescbc: keys('k', 'AAAA') }] }),
      /Invalid value: "REDACTED": secret is not of the expected length, got 3, expected one of \[16 24 32\]/,
    ],
    ['a key in no base64', one({ providers: [{ aesgcm: keys('k', '!!') }] }), /"REDACTED": secrets must be base64 encoded/],
    [
      'a key management service',
      one({ providers: [{ kms: { name: 'k', endpoint: 'unix:///x' } }] }),
      /providers\[0\].kms: .*use secretbox, aesgcm or aescbc/,
    ],
  ]
  for (const [name, document, expected] of cases)
    test(name, () => {
      assert.throws(
        () => parseEncryptionConfiguration(document),
        (error: Error) => error.name === 'ConfigurationFileError' && expected.test(error.message),
      )
    })

  test('a rule behind one that hides it', () => {
    const after = (first: string, second: string) => () =>
      opened(file({ resources: [first], providers: [identity] }, { resources: [second], providers: [identity] }))
    assert.throws(after('*.', 'secrets'), /resource "secrets" is masked by earlier rule "\*\."/)
    assert.throws(after('*.*', '*.apps'), /resource "\*\.apps" is masked by earlier rule "\*\.\*"/)
  })
})

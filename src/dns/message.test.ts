import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decode, encode, type Packet } from 'dns-packet'
import * as fc from 'fast-check'
import { encodeResponse, shuffled, type Response } from './message.ts'

type DnsRecords = Response['answers']

const NAME = 'many.default.svc.cluster.local'
const addresses = (count: number): DnsRecords =>
  Array.from({ length: count }, (_, i) => ({ type: 'A', name: NAME, ttl: 30, class: 'IN', data: `10.0.${i >> 8}.${i & 255}` }))
const OPT: Response['opt'][number] = {
  type: 'OPT',
  name: '.',
  udpPayloadSize: 1232,
  extendedRcode: 0,
  ednsVersion: 0,
  flags: 0,
  flag_do: false,
  options: [],
}
const response = (more: Partial<Response> = {}): Response => ({
  type: 'response',
  id: 7,
  flags: 0x0100,
  questions: [{ name: NAME, type: 'A', class: 'IN' }],
  answers: [],
  authorities: [],
  additionals: [],
  opt: [],
  ...more,
})
const isCut = (bytes: Buffer): boolean => (bytes.readUInt16BE(2) & 0x0200) !== 0
const counts = ({ answers, authorities, additionals }: Packet): unknown[] => [answers?.length, authorities?.length, additionals?.length]

test('a name that was asked for is pointed to', () => {
  const bytes = encodeResponse(response({ answers: addresses(2) }), 512)
  // The question, and sixteen bytes for each address.
  assert.equal(bytes.length, 12 + NAME.length + 2 + 4 + 2 * 16)
  assert.deepEqual(
    decode(bytes).answers?.map((one) => 'data' in one && one.data),
    ['10.0.0.0', '10.0.0.1'],
  )
})

test('a name comes back in the case in which it was asked for', () => {
  const questions = [{ name: NAME.toUpperCase(), type: 'A' as const, class: 'IN' as const }]
  assert.equal(decode(encodeResponse(response({ questions, answers: addresses(1) }), 512)).answers?.[0]?.name, NAME.toUpperCase())
})

test('what does not fit is left out from the end, and the message says so', () => {
  const bytes = encodeResponse(response({ answers: addresses(100), additionals: addresses(1), opt: [OPT] }), 512)
  assert.ok(bytes.length <= 512 && bytes.length > 512 - 16)
  assert.ok(isCut(bytes))
  const read = decode(bytes)
  assert.deepEqual(counts(read), [28, 0, 1])
  assert.equal(read.additionals?.[0]?.type, 'OPT')
})

test('what is beside the answer is left out without a word', () => {
  const bytes = encodeResponse(response({ answers: addresses(20), additionals: addresses(50) }), 512)
  assert.ok(!isCut(bytes))
  assert.deepEqual(counts(decode(bytes)), [20, 0, 9])
})

test('whatever is written is read as it was', () => {
  const label = fc.stringMatching(/^[a-z0-9-]{1,8}$/)
  const name = fc.array(label, { minLength: 1, maxLength: 5 }).map((labels) => labels.join('.'))
  const one = fc.oneof(
    fc.record({ type: fc.constant('A' as const), name, ttl: fc.nat(1000), data: fc.ipV4() }),
    fc.record({ type: fc.constant('CNAME' as const), name, ttl: fc.nat(1000), data: name }),
    fc.record({
      type: fc.constant('SRV' as const),
      name,
      ttl: fc.nat(1000),
      data: fc.record({ priority: fc.nat(9), weight: fc.nat(9), port: fc.nat(65_535), target: name }),
    }),
  )
  fc.assert(
    fc.property(name, fc.array(one, { maxLength: 12 }), fc.array(one, { maxLength: 4 }), (asked, answers, additionals) => {
      const questions = [{ name: asked, type: 'A' as const, class: 'IN' as const }]
      const written = response({ questions, answers, additionals })
      const plain = decode(encode({ ...written, opt: undefined } as Packet))
      const compressed = decode(encodeResponse(written, 65_535))
      assert.deepEqual(
        [compressed.questions, compressed.answers, compressed.additionals],
        [plain.questions, plain.answers, plain.additionals],
      )
    }),
  )
})

test('aliases come first and in order, addresses in any', () => {
  const alias = { type: 'CNAME', name: 'x', ttl: 1, data: NAME } as const
  const last = (below: number): number => below - 1
  assert.deepEqual(shuffled([alias, ...addresses(3)], last), [alias, ...addresses(3)])
  const [a, b, c] = addresses(3)
  assert.deepEqual(
    shuffled([alias, ...addresses(3)], () => 0),
    [alias, b, c, a],
  )
})

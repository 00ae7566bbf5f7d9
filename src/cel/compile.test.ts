import assert from 'node:assert/strict'
import { test } from 'node:test'
import { CompileError, CostExceededError, EvaluationError } from './program.ts'
import { compileFor, environmentOf } from './admissionExpressions.ts'
import { compile } from './compile.ts'
import { outcomeOf } from './testExpressions.ts'
import type { CelType, Environment } from './program.ts'

const STRING: CelType = { kind: 'string' }
const INT: CelType = { kind: 'int' }
const object = (name: string, fields: Record<string, CelType>): CelType => ({
  kind: 'object',
  name,
  fields: new Map(Object.entries(fields)),
})

const TAGS: CelType = { kind: 'list', of: STRING, listType: 'set' }

const self = object('object', {
  name: STRING,
  count: INT,
  ratio: { kind: 'double' },
  created: { kind: 'timestamp' },
  grace: { kind: 'duration' },
  data: { kind: 'bytes' },
  'foo-bar.baz': STRING,
  namespace: STRING,
  a__b: STRING,
  '1st': STRING,
  nothing: STRING,
  tags: TAGS,
  ports: { kind: 'list', of: object('port', { name: STRING, port: INT }), listType: 'map', mapKeys: ['name'] },
  sizes: { kind: 'map', of: INT },
})
const ENVIRONMENT: Environment = { variables: { self, oldSelf: self } }
const outcome = (expression: string, value: unknown): unknown => outcomeOf(expression, { self: value }, ENVIRONMENT)

function messageOf(expression: string, environment: Environment = ENVIRONMENT): string {
  try {
    compile(expression, environment)
  } catch (error) {
    assert.ok(error instanceof CompileError)
    return error.message
  }
  return 'compiles'
}

test('compile errors show the place', () => {
  for (const [expression, message] of [
    ['self.nope == 1', "ERROR: <input>:1:5: undefined field 'nope'\n | self.nope == 1\n | ....^"],
    ["self.size > 'a'", "ERROR: <input>:1:5: undefined field 'size'\n | self.size > 'a'\n | ....^"],
    ['nope', "ERROR: <input>:1:1: undeclared reference to 'nope' (in container '')\n | nope\n | ^"],
    [
      "self.count == 'a'",
      "ERROR: <input>:1:12: found no matching overload for '_==_' applied to '(int, string)'\n | self.count == 'a'\n | ...........^",
    ],
    ['self.name.foo()', "ERROR: <input>:1:14: undeclared reference to 'foo' (in container '')\n | self.name.foo()\n | .............^"],
    ['foo(1)', "ERROR: <input>:1:4: undeclared reference to 'foo' (in container '')\n | foo(1)\n | ...^"],
    ['self.count.x', "ERROR: <input>:1:11: type 'int' does not support field selection\n | self.count.x\n | ..........^"],
    [
      "self.name.size('a')",
      "ERROR: <input>:1:15: found no matching overload for 'size' applied to 'string.(string)'\n | self.name.size('a')\n | ..............^",
    ],
    ["self.name == 'ä' &&\n\tself.nope", "ERROR: <input>:2:6: undefined field 'nope'\n |  self.nope\n | .....^"],
    ["'äö' + nope", "ERROR: <input>:1:8: undeclared reference to 'nope' (in container '')\n | 'äö' + nope\n | .．．....^"],
    [
      'a + b',
      "ERROR: <input>:1:1: undeclared reference to 'a' (in container '')\n | a + b\n | ^\nERROR: <input>:1:5: undeclared reference to 'b' (in container '')\n | a + b\n | ....^",
    ],
    ['for', 'ERROR: <input>:1:1: reserved identifier: for\n | for\n | ^'],
    ['self.', "ERROR: <input>:1:6: Syntax error: no viable alternative at input '.'\n | self.\n | .....^"],
    ['1 2', "ERROR: <input>:1:3: Syntax error: extraneous input '2' expecting <EOF>\n | 1 2\n | ..^"],
    ['self.true', "ERROR: <input>:1:6: Syntax error: mismatched input 'true' expecting IDENTIFIER\n | self.true\n | .....^"],
    ["'a'.find(')')", 'program instantiation failed: error parsing regexp: unexpected ): `)`'],
    ['[1, 2', "ERROR: <input>:1:6: Syntax error: mismatched input '<EOF>' expecting {']', ','}\n | [1, 2\n | .....^"],
    ["'x'.matches('[')", "ERROR: <input>:1:13: invalid matches argument\n | 'x'.matches('[')\n | ............^"],
    ['self.`a`', "ERROR: <input>:1:6: unsupported syntax: '`'\n | self.`a`\n | .....^"],
  ] as const) {
    assert.equal(messageOf(expression), message, expression)
  }
  const places = (source: string): string[] =>
    messageOf(source)
      .split('\n')
      .filter((line) => line.startsWith('ERROR'))
      .map((line) => line.replace(/^ERROR: <input>:/, ''))
  const beginning = "{'[', '{', '(', '.', '-', '!', 'true', 'false', 'null', NUM_FLOAT, NUM_INT, NUM_UINT, STRING, BYTES, IDENTIFIER}"
  const repaired: [string, ...string[]][] = [
    ['(1', "1:3: Syntax error: missing ')' at '<EOF>'"],
    ['size([1)', "1:8: Syntax error: mismatched input ')' expecting {']', ','}"],
    ['1 2 3', "1:3: Syntax error: mismatched input '2' expecting <EOF>"],
    ['{1}}', "1:3: Syntax error: mismatched input '}' expecting ':'", "1:4: Syntax error: extraneous input '}' expecting <EOF>"],
    ['-', "1:2: Syntax error: no viable alternative at input '-'", `1:2: Syntax error: mismatched input '<EOF>' expecting ${beginning}`],
    ['!', `1:2: Syntax error: extraneous input '<EOF>' expecting ${beginning}`],
    ['1 + * 2', `1:5: Syntax error: extraneous input '*' expecting ${beginning}`],
    ['1 = 2', "1:3: Syntax error: token recognition error at: '= '", "1:5: Syntax error: extraneous input '2' expecting <EOF>"],
    ["'ab", "1:1: Syntax error: token recognition error at: ''ab'", `1:4: Syntax error: mismatched input '<EOF>' expecting ${beginning}`],
    ['for x in 1', '1:1: reserved identifier: for', "1:5: Syntax error: mismatched input 'x' expecting <EOF>"],
    ['has(1', '1:5: invalid argument to has() macro', "1:6: Syntax error: missing ')' at '<EOF>'"],
    ['self ? 1', "1:9: Syntax error: mismatched input '<EOF>' expecting ':'"],
  ]
  for (const [source, ...wanted] of repaired) assert.deepEqual(places(source), wanted, source)
  assert.match(messageOf('1 +'), /^ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting \{'\[', /)
  assert.match(messageOf('a @ b'), /token recognition error at: '@'/)
})

test('values of declared types', () => {
  const value = {
    name: 'a',
    count: 2,
    ratio: 2,
    created: '2024-01-01T00:00:00Z',
    grace: '1m30s',
    data: 'YWI=',
    'foo-bar.baz': 'x',
    namespace: 'ns',
    a__b: 'y',
    '1st': 'z',
    nothing: null,
    sizes: { b: 1 },
  }
  for (const [expression, want] of [
    ['self.ratio / 4.0', 0.5],
    ['type(self.ratio) == double && type(self.count) == int', true],
    ['self.created.getFullYear() == 2024 && self.grace > duration("1m")', true],
    ["self.data == b'ab'", true],
    ['self.foo__dash__bar__dot__baz + self.__namespace__ + self.a__underscores__b', 'xnsy'],
    ['self.sizes.b + self.sizes["b"]', 2],
    ['has(self.tags)', false],
    ['has(self.nothing)', false],
    ['self.tags', 'error: no such key: tags'],
    ['self', value],
  ] as const) {
    assert.deepEqual(outcome(expression, value), want, expression)
  }
  assert.match(messageOf('self.`1st`'), /unsupported syntax/)
  assert.match(messageOf('self.__1st__'), /undefined field/)
})

test('lists that are sets or maps', () => {
  const tags = ['a', 'b']
  const ports = [
    { name: 'x', port: 1 },
    { name: 'y', port: 2 },
  ]
  for (const [expression, value, want] of [
    ["self.tags == ['b', 'a']", { tags }, true],
    ["self.tags + ['b', 'c']", { tags }, ['a', 'b', 'c']],
    ['self.ports == [self.ports[1], self.ports[0]]', { ports }, true],
    ['(self.ports + self.ports).size()', { ports }, 2],
    ["(self.ports + self.ports.filter(p, p.name == 'y'))[1].port", { ports }, 2],
  ] as const) {
    assert.deepEqual(outcome(expression, value), want, expression)
  }
})

test('a program knows what it reads, and is compiled once', () => {
  const program = compile('self.count >= oldSelf.count', ENVIRONMENT)
  assert.deepEqual([program.uses('oldSelf'), program.uses('params'), program.resultType], [true, false, { kind: 'bool' }])
  assert.equal(compile('self.count >= oldSelf.count', ENVIRONMENT), program)
  assert.equal(compile('self.tags', ENVIRONMENT).resultType, TAGS)
  assert.throws(() => program.evaluate({ self: { count: 1 } }), new EvaluationError('no such attribute(s): oldSelf'))
})

test('the authorizer', () => {
  const environment: Environment = { variables: {}, hasAuthorizer: true }
  const asked: unknown[] = []
  const authorizer = {
    requestResource: { group: 'apps', resource: 'deployments', namespace: 'ns', name: 'd' },
    check(query: unknown) {
      asked.push(query)
      return { allowed: asked.length === 1, reason: 'because' }
    },
  }
  const run = (expression: string): unknown => compile(expression, environment).evaluate({}, { authorizer })
  assert.equal(run("authorizer.group('').resource('pods').subresource('log').namespace('n').name('p').check('get').allowed()"), true)
  assert.equal(run("authorizer.requestResource.check('delete').allowed()"), false)
  assert.equal(run("authorizer.serviceAccount('n', 'sa').path('/healthz').check('get').reason()"), 'because')
  assert.equal(run("authorizer.group('g').resource('r').labelSelector('a=b').fieldSelector('c=d').check('list').errored()"), false)
  assert.deepEqual(asked, [
    { group: '', resource: 'pods', subresource: 'log', namespace: 'n', name: 'p', verb: 'get' },
    { group: 'apps', resource: 'deployments', namespace: 'ns', name: 'd', verb: 'delete' },
    { serviceAccount: { namespace: 'n', name: 'sa' }, path: '/healthz', verb: 'get' },
    { group: 'g', resource: 'r', labelSelector: 'a=b', fieldSelector: 'c=d', verb: 'list' },
  ])
  assert.throws(() => run("authorizer.path(' ')"), new EvaluationError('path must not be empty'))
  assert.throws(() => run("authorizer.serviceAccount('n', 'S')"), new EvaluationError('Invalid service account name'))
  assert.match(messageOf('authorizer'), /undeclared reference/)
})

test('hostile expressions end within limits', () => {
  const limited = (expression: string, want: RegExp, variables: Record<string, unknown> = {}): void => {
    const environment: Environment = {
      variables: Object.fromEntries(Object.keys(variables).map((name) => [name, { kind: 'dyn' } as const])),
    }
    let message = 'nothing'
    try {
      compile(expression, environment).evaluate(variables)
    } catch (error) {
      assert.ok(error instanceof CompileError || error instanceof CostExceededError || error instanceof EvaluationError, String(error))
      message = error.message
    }
    assert.match(message, want, expression.slice(0, 60))
  }
  const DEPTH = /^ERROR: <input>:-1:0: expression recursion limit exceeded: 250$/
  const COST = /^operation cancelled: actual cost limit exceeded$/
  limited(`${'('.repeat(49_000)}1${')'.repeat(49_000)}`, DEPTH)
  limited(`1${'+1'.repeat(40_000)}`, DEPTH)
  limited(`a${'.a'.repeat(40_000)}`, DEPTH, { a: {} })
  limited(`"${'a'.repeat(100_000)}"`, /expression code point size exceeds limit: size: 100002, limit 100000$/)
  limited(`optional.of(1)${'.optMap(x, x)'.repeat(40)}.value()`, /expression expands to more than 100000 parts$/)
  limited(`${'!'.repeat(90_000)}true`, /nothing/)
  limited(`true${' && true'.repeat(5000)}`, /nothing/)
  limited('s.matches("(a+)+$")', /nothing/, { s: `${'a'.repeat(10_000)}!` })
  const l = Array.from({ length: 1000 }, (_, i) => i)
  limited('l.all(x, l.all(y, l.all(z, true)))', COST, { l })
  limited('l.map(x, l.map(y, l.map(z, [x, y, z])))', COST, { l })
  limited('l.transformMap(i, v, l.transformMap(j, w, l.map(z, w)))', COST, { l })
  limited('l.map(x, [x]).distinct()', COST, { l: [...l, ...l, ...l] })
  limited('lists.range(100000000)', /limited to 1000000/)
  limited(`1 == 1${' && 1 == 1'.repeat(5000)}`, /nothing/)
  limited(`optional.of(1)${'.optMap(x, x)'.repeat(11)}.value()`, /nothing/)
  const nested = (start: string, next: (name: string) => string, last: string): string => {
    const levels = Array.from({ length: 60 }, (_, i) => `optional.of(${i === 0 ? start : next(`v${i - 1}`)}).optMap(v${i}, `)
    return levels.join('') + last + ')'.repeat(60)
  }
  limited(
    nested('{1: 1}', (name) => `{1: ${name}}`, '1'),
    /nothing/,
  )
  limited(
    nested('{1: 1}', (name) => `{dyn(1): [${name}, ${name}]}`, 'true'),
    /nothing/,
  )
  limited(
    nested('[1, 1]', (name) => `[${name}, ${name}]`, 'v59'),
    /the value is too large/,
  )
  limited(
    nested('[1, 1]', (name) => `[${name}, ${name}]`, "'%s'.format([v59])"),
    /the value is too large/,
    { a: 2 },
  )
  limited("s.replace('', s).replace('', s)", /too long|cost limit/, { s: 'a'.repeat(10_000) })
})

test('a budget is spent, and an abort is heard', () => {
  const environment: Environment = { variables: { l: { kind: 'dyn' } } }
  const program = compile('l.all(x, x >= 0)', environment)
  const budget = { remaining: 100 }
  program.evaluate({ l: [1, 2, 3] }, { budget })
  assert.equal(budget.remaining, 83)
  const l = Array.from({ length: 1000 }, (_, i) => i)
  assert.throws(() => program.evaluate({ l }, { signal: AbortSignal.abort() }), new CostExceededError('operation interrupted'))
})

test('what an expression is for comes before what its constants are worth', () => {
  const environment = environmentOf({ hasParams: false, hasAuthorizer: false })
  const why = (expression: string): string => {
    try {
      return compileFor('validation', expression, environment).resultTypeText
    } catch (error) {
      return (error as Error).message
    }
  }
  assert.equal(why("int('x')"), 'must evaluate to bool but got int')
  assert.equal(why("int('x') == 1"), "program instantiation failed: type conversion error from 'string' to 'int'")
})

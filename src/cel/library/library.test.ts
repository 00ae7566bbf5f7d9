import assert from 'node:assert/strict'
import { test } from 'node:test'
import { outcomeOf } from '../testExpressions.ts'

type Row = readonly [expression: string, outcome: unknown, variables?: Record<string, unknown>]

function check(rows: readonly Row[]): void {
  for (const [expression, outcome, variables] of rows) assert.deepEqual(outcomeOf(expression, variables), outcome, expression)
}

test('strings', () => {
  check([
    ["'tacocat'.charAt(3) + 'tacocat'.charAt(7)", 'o'],
    ["'tacocat'.charAt(9)", 'error: index out of range: 9'],
    ["'hello mellow'.indexOf('ello', 2)", 7],
    ["'hello mellow'.indexOf('')", 0],
    ["'hello'.indexOf('x', 20)", -1],
    ["'😀a😀b'.indexOf('b')", 3],
    ["'hello mellow'.lastIndexOf('ello')", 7],
    ["'hello mellow'.lastIndexOf('ello', 6)", 1],
    ["'hello'.lastIndexOf('l', -1)", 'error: index out of range: -1'],
    ["'TacoCÆt'.lowerAscii() + 'æb'.upperAscii()", 'tacocÆtæB'],
    ["'hello hello'.replace('he', 'we')", 'wello wello'],
    ["'hello hello'.replace('he', 'we', 1)", 'wello hello'],
    ["'hello hello'.replace('he', 'we', 0)", 'hello hello'],
    ["'ab'.replace('', '_')", '_a_b_'],
    ["'abc'.replace('', '_', 2)", '_a_bc'],
    ["'a$b'.replace('$', '$&')", 'a$&b'],
    ["'a b c'.split(' ')", ['a', 'b', 'c']],
    ["'a b c'.split(' ', 2)", ['a', 'b c']],
    ["'a b c'.split(' ', 0)", []],
    ["'a😀'.split('')", ['a', '😀']],
    ["'tacocat'.substring(4) + 'tacocat'.substring(0, 4)", 'cattaco'],
    ["'tacocat'.substring(5, 4)", 'error: invalid substring range. start: 5, end: 4'],
    ["'tacocat'.substring(40)", 'error: index out of range: 40'],
    ["' \\t\\u00a0x \\n'.trim()", 'x'],
    ["['a', 'b'].join() + ['a', 'b'].join('-')", 'aba-b'],
    ['strings.quote(\'a\\n"b"\')', '"a\\n\\"b\\""'],
    ["'a'.reverse()", "compile: 1:12: found no matching overload for 'reverse' applied to 'string.()'"],
    ["jsonpatch.escapeKey('k8s.io/my~label')", 'k8s.io~1my~0label'],
  ])
})

test('formatting', () => {
  check([
    ["'%s %d %.2f %x %X %o %b %%'.format(['a', 5, 3.14159, 255, 255, 8, 5])", 'a 5 3.14 ff FF 10 101 %'],
    ["'%e %f'.format([1234.5, 1234567.891])", '1.234500×10⁰³ 1,234,567.891000'],
    ["'%.3e'.format([1.5])", '1.500000×10⁰⁰'],
    ["'%s'.format([['a\\u0000b\\t']])", '["a\\x00b\\t"]'],
    [
      "'%s'.format([b])",
      'error: error during formatting: could not convert argument "invalid UTF-8 in bytes, cannot convert to string" to string',
      { b: Buffer.from([255]) },
    ],
    ["'%s'.format([{1.5: 1}.transformMap(k, v, v)])", 'error: error during formatting: no formatting function for map key of type double'],
    ["'%s'.format([{'b': dyn([1.5, true, null, 'x']), 'a': dyn(1)}])", '{"a":1, "b":[1.500000, true, null, "x"]}'],
    ["'%s %s'.format([[1, 2], {'a': 1}])", '[1, 2] {"a":1}'],
    ["'%s %s'.format([duration('1m'), timestamp(0)])", '60s 1970-01-01T00:00:00Z'],
    ["'%d'.format(['x'])", 'compile: 1:14: error during formatting: decimal clause can only be used on integers, was given string'],
    ["'%d'.format([a])", 'error: error during formatting: decimal clause can only be used on integers, was given string', { a: 'x' }],
    ["'%s %s'.format([1])", 'compile: 1:15: index 1 out of range'],
    ["'%s'.format([1, 2])", 'compile: 1:12: too many arguments supplied to string.format (expected 1, got 2)'],
    ["'%q'.format([1])", 'compile: 1:12: could not parse formatting clause: unrecognized formatting clause "q"'],
    ["'%x'.format([b'\\xff'])", 'ff'],
  ])
})

test('lists and sets', () => {
  check([
    ['[1, 2, 3].sum() + [4].max() + [7, 5].min()', 15],
    ["[duration('1s'), duration('2s')].sum()", '3s'],
    ['[1.5, 2.5].sum()', 4],
    ["['a'].sum()", "compile: 1:10: found no matching overload for 'sum' applied to 'list(string).()'"],
    ['l.max()', 'error: max called on empty list', { l: [] }],
    ['l.sum()', 4, { l: [1.5, 2.5] }],
    ["[1, 2, 2].isSorted() && !['b', 'a'].isSorted()", true],
    ['[1, 2, 1].indexOf(1) * 10 + [1, 2, 1].lastIndexOf(1)', 2],
    ['[3, 1, 2].sort()', [1, 2, 3]],
    ["[{'n': 2}, {'n': 1}].sortBy(x, x.n)", [{ n: 1 }, { n: 2 }]],
    ['[1, 2, 2, 1].distinct()', [1, 2]],
    ['[1, 2, 3].reverse()', [3, 2, 1]],
    ['[[1], [2, 3]].flatten()', [1, 2, 3]],
    ['l.flatten(2)', [1, 2, 3], { l: [1, [2, [3]]] }],
    ['[1, 2, 3].slice(1, 3)', [2, 3]],
    ['[1, 2, 3].slice(1, 7)', 'error: cannot slice(1, 7), list is length 3'],
    ['lists.range(3)', [0, 1, 2]],
    ['sets.contains([1, 2], [2]) && sets.equivalent([1, 2], [2, 1, 1]) && !sets.intersects([1], [2])', true],
  ])
})

test('regular expressions', () => {
  check([
    ["'abc 123'.find('[0-9]+') + 'x'.find('y')", '123'],
    ["'1 2 3'.findAll('[0-9]')", ['1', '2', '3']],
    ["'1 2 3'.findAll('[0-9]', 2)", ['1', '2']],
    ["'aaa'.matches('^(a+)+$')", true],
    ["'a'.matches(p)", 'error: error parsing regexp: missing closing ]: `[`', { p: '[' }],
    ["'a'.find(p)", 'error: Illegal regex: error parsing regexp: missing closing ]: `[`', { p: '[' }],
    ["'a'.matches('(?=a)')", 'compile: 1:13: invalid matches argument'],
  ])
})

test('URLs', () => {
  const at = "url('https://user@Example.com:80/path/a%20b?q=1&q=2&z=#f')"
  check([
    [`[${at}.getScheme(), ${at}.getHost(), ${at}.getHostname(), ${at}.getPort()]`, ['https', 'Example.com:80', 'Example.com', '80']],
    [`${at}.getEscapedPath()`, '/path/a%20b'],
    [`${at}.getQuery()`, { q: ['1', '2'], z: [''] }],
    ["url('https://[::1]:8080/').getHostname()", '::1'],
    ["url('https://a/b c').getEscapedPath()", '/b%20c'],
    ["isURL('https://a.b') && isURL('/x') && !isURL('a.b') && !isURL('http://a b.com/')", true],
    ["url('../x')", 'error: URL parse error during conversion from string: parse "../x": invalid URI for request'],
    ["url('https://a:x/')", 'error: URL parse error during conversion from string: parse "https://a:x/": invalid port ":x" after host'],
  ])
})

test('quantities', () => {
  check([
    ["quantity('1.5Gi').asInteger()", 1_610_612_736],
    ["quantity('50k').asApproximateFloat()", 50_000],
    ["quantity('1').add(quantity('2k')).sub(5) == quantity('1996')", true],
    ["quantity('200M').compareTo(quantity('0.2G')) + sign(quantity('-3'))", -1],
    ["quantity('1Gi').isGreaterThan(quantity('1G')) && quantity('1').isLessThan(quantity('2'))", true],
    ["quantity('500m').isInteger()", false],
    ["quantity('500m').asInteger()", 'error: cannot convert value to integer'],
    // Upstream reads no more than 18 digits as a whole number.
    ["quantity('9223372036854775807').isInteger() || !quantity('1E').isInteger()", false],
    ["quantity('99999999999999999999').asApproximateFloat()", 1e20],
    ["isQuantity('1Mi') && !isQuantity('x')", true],
    ["quantity('x')", "error: quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"],
  ])
})

test('addresses', () => {
  check([
    ["ip('192.168.0.1').family() * 10 + ip('::1').family()", 46],
    ["ip('::1').isLoopback() && ip('127.9.9.9').isLoopback() && ip('0.0.0.0').isUnspecified()", true],
    ["ip('fe80::1').isLinkLocalUnicast() && ip('ff02::1').isLinkLocalMulticast() && ip('224.0.0.251').isLinkLocalMulticast()", true],
    ["ip('10.0.0.1').isGlobalUnicast() && !ip('255.255.255.255').isGlobalUnicast()", true],
    ["string(ip('2001:0db8::0001'))", '2001:db8::1'],
    ["ip.isCanonical('2001:db8::1') && !ip.isCanonical('2001:DB8::1')", true],
    ["isIP('1.2.3.4') && !isIP('1.2.3') && !isIP('::ffff:1.2.3.4') && !isIP('fe80::1%eth0')", true],
    [
      "ip('1.2.3.256')",
      'error: IP Address "1.2.3.256" parse error during conversion from string: ParseAddr("1.2.3.256"): IPv4 field has value >255',
    ],
    [
      "ip('2001:db8:::68')",
      'error: IP Address "2001:db8:::68" parse error during conversion from string: ParseAddr("2001:db8:::68"): each colon-separated field must have at least one digit (at ":68")',
    ],
    ["ip('1:2:3')", 'error: IP Address "1:2:3" parse error during conversion from string: ParseAddr("1:2:3"): address string too short'],
    [
      "ip('1.2.3.4.')",
      'error: IP Address "1.2.3.4." parse error during conversion from string: ParseAddr("1.2.3.4."): IPv4 field must have at least one digit (at ".")',
    ],
    ["cidr('10.0.0.0/8').containsIP('10.0.0')", 'error: no such overload'],
    ["string(cidr('192.168.1.5/24').masked())", '192.168.1.0/24'],
    ["cidr('2001:db8::/32').containsIP('2001:db8::7') && !cidr('10.0.0.0/8').containsIP(ip('11.0.0.1'))", true],
    ["cidr('192.168.0.0/16').containsCIDR('192.168.10.0/24') && !cidr('192.168.10.0/24').containsCIDR(cidr('192.168.0.0/16'))", true],
    ["string(cidr('10.0.0.1/8').ip()) + string(cidr('10.0.0.1/8').prefixLength())", '10.0.0.18'],
    ["isCIDR('10.0.0.0/8') && !isCIDR('10.0.0.0/33') && !isCIDR('10.0.0.0')", true],
    ["type(ip('1.2.3.4')) == net.IP && ip('1.2.3.4') == ip('1.2.3.4')", true],
  ])
})

test('formats and versions', () => {
  check([
    ["format.dns1123Label().validate('my-name').hasValue()", false],
    ["format.dns1123Label().validate('My').value()[0].startsWith('a lowercase RFC 1123 label')", true],
    ["format.dns1123LabelPrefix().validate('my-').hasValue()", false],
    ["format.named('uuid').value().validate('x').value()", ['does not match the UUID format']],
    ["format.named('nope').hasValue()", false],
    ["format.date().validate('2020-13-01').value()", ['invalid date']],
    ["format.datetime().validate('2020-12-01T00:00:00Z').hasValue()", false],
    ["semver('1.2.3-alpha.1').isLessThan(semver('1.2.3')) && semver('1.10.0').isGreaterThan(semver('1.9.9'))", true],
    ["semver('1.0.0-alpha.2').compareTo(semver('1.0.0-alpha.10'))", -1],
    ["semver('v01.2', true).minor()", 2],
    ["isSemver('1.02.3') || isSemver('1.2')", false],
    ["semver('1.2.3+a') == semver('1.2.3+b')", true],
    ["semver('1.2')", 'error: No Major.Minor.Patch elements found'],
  ])
})

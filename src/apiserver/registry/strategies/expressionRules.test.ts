import assert from 'node:assert/strict'
import { test } from 'node:test'
import { expressionRules } from './expressionRules.ts'
import type { ExpressionUse } from '../../../api/validation/admissionRules.ts'

const VARIABLES = [
  { name: 'n', expression: 'object.metadata.name' },
  { name: 'long', expression: 'size(variables.n) > 10' },
]

function errorOf(use: ExpressionUse, expression: string, { hasParams = false, variables = VARIABLES } = {}): string | undefined {
  return expressionRules.errorOf(expression, use, { hasParams, variables })
}

test('what an expression may be depends on what it is for', () => {
  for (const [use, expression, error] of [
    ['validation', 'variables.long && has(request.userInfo) && authorizer.group("").resource("x").check("y").allowed()', undefined],
    ['validation', '1 + 1', 'must evaluate to bool but got int'],
    ['validation', 'object', 'must evaluate to bool but got dyn'],
    [
      'validation',
      'params.x',
      "compilation failed: ERROR: <input>:1:1: undeclared reference to 'params' (in container '')\n | params.x\n | ^",
    ],
    ['message', "'got ' + variables.n", undefined],
    ['message', '3', 'must evaluate to string but got int'],
    [
      'message',
      'string(authorizer)',
      "compilation failed: ERROR: <input>:1:8: undeclared reference to 'authorizer' (in container '')\n | string(authorizer)\n | .......^",
    ],
    ['auditAnnotation', 'null', undefined],
    ['auditAnnotation', '1', 'must evaluate to one of [string null_type] but got int'],
    ['variable', 'size(variables.n) > 10', undefined],
    ['variable', 'variables.later', "compilation failed: ERROR: <input>:1:10: undefined field 'later'\n | variables.later\n | .........^"],
    [
      'matchCondition',
      'variables.long',
      "compilation failed: ERROR: <input>:1:1: undeclared reference to 'variables' (in container '')\n | variables.long\n | ^",
    ],
    ['applyConfiguration', 'Object{metadata: Object.metadata{labels: {"a": variables.n}}}', undefined],
    ['applyConfiguration', 'true', 'must evaluate to Object but got bool'],
    ['jsonPatch', '[JSONPatch{op: "remove", path: "/x"}]', undefined],
    ['jsonPatch', 'JSONPatch{op: "remove"}', 'must evaluate to list(JSONPatch) but got JSONPatch'],
    ['deviceSelector', "device.driver == 'a'", undefined],
    ['deviceSelector', "'a'", 'must evaluate to bool or the unknown type, not string'],
  ] as const) {
    assert.equal(errorOf(use, expression), error, expression)
  }
  assert.equal(errorOf('validation', 'params.x == 1', { hasParams: true }), undefined)
  const circular = [
    { name: 'a', expression: 'variables.b' },
    { name: 'b', expression: 'true' },
  ]
  assert.match(errorOf('variable', 'variables.b', { variables: circular }) ?? '', /undefined field 'b'/)
})

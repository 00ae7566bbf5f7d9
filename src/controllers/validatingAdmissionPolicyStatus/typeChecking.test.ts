import assert from 'node:assert/strict'
import { test } from 'node:test'
import { loadCatalog } from '../../api/catalog/load.ts'
import type { ValidatingAdmissionPolicy, ValidatingAdmissionPolicySpec } from '../../api/kinds/admissionregistration/v1.ts'
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import { kindTypes } from './kindTypes.ts'
import { typeCheck } from './typeChecking.ts'

const widgets = {
  metadata: { name: 'widgets.example.com' },
  spec: {
    group: 'example.com',
    scope: 'Namespaced',
    names: { plural: 'widgets', kind: 'Widget' },
    versions: [
      {
        name: 'v1',
        served: true,
        storage: true,
        schema: {
          openAPIV3Schema: { type: 'object', properties: { spec: { type: 'object', properties: { replicas: { type: 'integer' } } } } },
        },
      },
    ],
  },
} as unknown as CustomResourceDefinition

const types = kindTypes(loadCatalog(), () => [widgets])

function check(group: string, resource: string, spec: Partial<ValidatingAdmissionPolicySpec>): string[] {
  const matchConstraints = { resourceRules: [{ apiGroups: [group], apiVersions: ['v1'], operations: ['*'], resources: [resource] }] }
  const policy = { metadata: { name: 'p' }, spec: { matchConstraints, ...spec } } as ValidatingAdmissionPolicy
  return typeCheck(policy, types).map(({ fieldRef, warning }) => `${fieldRef} ${warning}`)
}

test('expressions that fit the types give no warnings', () => {
  const expressions = [
    'object.spec.replicas > 1',
    'object.metadata.labels.all(k, k != "")',
    'object.spec.template.spec.containers.exists(c, c.image.contains("nginx"))',
    'oldObject == null || variables.n > 2',
    'request.userInfo.username != "x" && authorizer.group("").resource("pods").check("get").allowed()',
  ]
  const validations = expressions.map((expression) => ({ expression }))
  assert.deepEqual(check('apps', 'deployments', { validations, variables: [{ name: 'n', expression: 'object.spec.replicas' }] }), [])
})

test('expressions and messages that do not fit', () => {
  const [first = '', second = '', ...rest] = check('apps', 'deployments', {
    validations: [{ expression: "object.spec.replicas > '1'", messageExpression: "'wants replicas > 1, got ' + object.spec.replicas" }],
  })
  assert.match(
    first,
    /^spec.validations\[0\].expression apps\/v1, Kind=Deployment: ERROR: <input>:1:22: found no matching overload for '_>_' applied to '\(int, string\)'/,
  )
  assert.match(second, /^spec.validations\[0\].messageExpression .*found no matching overload for '_\+_' applied to '\(string, int\)'/s)
  assert.deepEqual(rest, [])
})

test('custom resources by their schemas, parameters by their kind', () => {
  assert.deepEqual(check('example.com', 'widgets', { validations: [{ expression: 'object.spec.replicas > 1' }] }), [])
  assert.match(
    check('example.com', 'widgets', { validations: [{ expression: 'object.spec.maxRetries < 10' }] })[0] ?? '',
    /undefined field 'maxRetries'/,
  )
  const paramKind = { apiVersion: 'v1', kind: 'ConfigMap' }
  assert.match(
    check('apps', 'deployments', { paramKind, validations: [{ expression: 'params.spec == 1' }] })[0] ?? '',
    /undefined field 'spec'/,
  )
})

test('rules with wildcards name no types', () => {
  assert.deepEqual(check('*', 'deployments', { validations: [{ expression: 'object.nothing' }] }), [])
  assert.deepEqual(check('apps', 'deployments/scale', { validations: [{ expression: 'object.nothing' }] }), [])
})

import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAuthorizationConfiguration } from './configuration.ts'

const webhook = {
  timeout: '3s',
  subjectAccessReviewVersion: 'v1',
  matchConditionSubjectAccessReviewVersion: 'v1',
  failurePolicy: 'Deny',
  connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/there' },
}
const file = (...authorizers: object[]): string =>
  JSON.stringify({ apiVersion: 'apiserver.config.k8s.io/v1', kind: 'AuthorizationConfiguration', authorizers })
const hook = (more: object): string => file({ type: 'Webhook', name: 'hook', webhook: { ...webhook, ...more } })
const parse = (document: string) => parseAuthorizationConfiguration(document, (path) => path === '/there')

test('what is left out is as upstream has it', () => {
  const [first, second] = parse(file({ type: 'Node', name: 'node' }, { type: 'Webhook', name: 'hook', webhook }))
  assert.deepEqual(first, { type: 'Node', name: 'node' })
  assert.deepEqual([second?.webhook?.authorizedTTL, second?.webhook?.unauthorizedTTL, second?.webhook?.timeout], ['5m0s', '30s', '3s'])
})

test('what is wrong is told in upstream’s words', () => {
  const condition = (...expressions: string[]): string => hook({ matchConditions: expressions.map((expression) => ({ expression })) })
  const cases: [document: string, expected: RegExp][] = [
    [file(), /^authorizers: Required value: at least one authorization mode must be defined$/],
    [file({ name: 'x' }), /^authorizers\[0\].type: Required value$/],
    [
      file({ type: 'ABAC', name: 'x' }),
      /authorizers\[0\].type: Unsupported value: "ABAC": supported values: "AlwaysAllow", "AlwaysDeny", "Node"/,
    ],
    [file({ type: 'RBAC', name: 'a' }, { type: 'RBAC', name: 'b' }), /^authorizers\[1\].type: Duplicate value: "RBAC"$/],
    [file({ type: 'RBAC' }), /^authorizers\[0\].name: Required value$/],
    [file({ type: 'RBAC', name: 'a' }, { type: 'Node', name: 'a' }), /^authorizers\[1\].name: Duplicate value: "a"$/],
    [file({ type: 'RBAC', name: 'A' }), /authorizers\[0\].name: Invalid value: "A": authorizer name is invalid: a lowercase RFC 1123/],
    [file({ type: 'RBAC', name: 'a', webhook }), /webhook: Invalid value: "non-null": may only be specified when type=Webhook/],
    [file({ type: 'Webhook', name: 'a' }), /webhook: Required value: required when type=Webhook/],
    [hook({ timeout: undefined }), /^authorizers\[0\].timeout: Required value$/],
    [hook({ timeout: '31s' }), /timeout: Invalid value: "31s": must be > 0s and <= 30s/],
    [hook({ authorizedTTL: '-1s' }), /authorizedTTL: Invalid value: "-1s": must be > 0s/],
    [hook({ subjectAccessReviewVersion: 'v2' }), /subjectAccessReviewVersion: Unsupported value: "v2": supported values: "v1", "v1beta1"/],
    [
      hook({ failurePolicy: 'Fail' }),
      /failurePolicy: Unsupported value: "Fail": supported values: "NoOpinion", "Deny"|"Deny", "NoOpinion"/,
    ],
    [hook({ connectionInfo: {} }), /connectionInfo.type: Required value/],
    [hook({ connectionInfo: { type: 'InClusterConfig' } }), /connectionInfo.type: .*use KubeConfigFile/],
    [hook({ connectionInfo: { type: 'KubeConfigFile' } }), /connectionInfo.kubeConfigFile: Required value/],
    [hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: 'a' } }), /must be an absolute path/],
    [hook({ connectionInfo: { type: 'KubeConfigFile', kubeConfigFile: '/none' } }), /must be a regular file/],
    [
      hook({ matchConditionSubjectAccessReviewVersion: '', matchConditions: [{ expression: 'true' }] }),
      /required if match conditions are specified/,
    ],
    [condition(' '), /matchConditions\[0\].expression: Required value/],
    [condition('true', 'true'), /matchConditions\[1\].expression: Duplicate value: "true"/],
    [condition('1'), /matchConditions\[0\].expression: Invalid value: "1": must evaluate to bool$/],
    [condition('request.foo'), /compilation failed: ERROR: <input>:1:8: undefined field 'foo'/],
    [condition(...Array.from({ length: 65 }, (_, i) => `${i} == 0`)), /matchConditions: Too many: 65: must have at most 64 items/],
  ]
  for (const [document, expected] of cases)
    assert.throws(
      () => parse(document),
      (error: Error) => {
        assert.match(error.message, expected)
        return error.name === 'ConfigurationFileError'
      },
    )
})

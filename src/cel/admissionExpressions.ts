/**
 * The expressions of admission (k8s.io/apiserver/pkg/admission/plugin/cel): which variables they have by what they are for,
 * and what each may answer.
 */
import { compile } from './compile.ts'
import { CompileError } from './program.ts'
import type { CelType, Environment, Program } from './program.ts'
import type { ExpressionUse } from '../api/validation/admissionRules.ts'

const DYN: CelType = { kind: 'dyn' }
const BOOL: CelType = { kind: 'bool' }
const INT: CelType = { kind: 'int' }
const STRING: CelType = { kind: 'string' }
const TIMESTAMP: CelType = { kind: 'timestamp' }
const STRINGS: CelType = { kind: 'list', of: STRING }
const LABELS: CelType = { kind: 'map', of: STRING }

const object = (name: string, fields: Readonly<Record<string, CelType>>): CelType => ({
  kind: 'object',
  name,
  fields: new Map(Object.entries(fields)),
  hasPlainNames: true,
})

const kind = object('kubernetes.GroupVersionKind', { group: STRING, version: STRING, kind: STRING })
const resource = object('kubernetes.GroupVersionResource', { group: STRING, version: STRING, resource: STRING })

const REQUEST = object('kubernetes.AdmissionRequest', {
  kind,
  resource,
  subResource: STRING,
  requestKind: kind,
  requestResource: resource,
  requestSubResource: STRING,
  name: STRING,
  namespace: STRING,
  operation: STRING,
  userInfo: object('kubernetes.UserInfo', { username: STRING, uid: STRING, groups: STRINGS, extra: { kind: 'map', of: STRINGS } }),
  dryRun: BOOL,
  options: DYN,
})

const NAMESPACE = object('kubernetes.Namespace', {
  metadata: object('kubernetes.NamespaceMetadata', {
    name: STRING,
    generateName: STRING,
    namespace: STRING,
    labels: LABELS,
    annotations: LABELS,
    UID: STRING,
    creationTimestamp: TIMESTAMP,
    deletionGracePeriodSeconds: INT,
    deletionTimestamp: TIMESTAMP,
    generation: INT,
    resourceVersion: STRING,
    finalizers: STRINGS,
  }),
  spec: object('kubernetes.NamespaceSpec', { finalizers: STRINGS }),
  status: object('kubernetes.NamespaceStatus', {
    conditions: {
      kind: 'list',
      of: object('kubernetes.NamespaceCondition', {
        status: STRING,
        type: STRING,
        lastTransitionTime: TIMESTAMP,
        message: STRING,
        reason: STRING,
      }),
    },
    phase: STRING,
  }),
})

export interface ExpressionScope {
  hasParams: boolean
  hasAuthorizer: boolean
  /** Of a policy: its variables so far, by name. Undefined where there are none (webhooks). */
  variables?: ReadonlyMap<string, CelType>
  /** The types of `object`, `oldObject` and `params` where they are known (type checking). */
  types?: { object?: CelType; params?: CelType }
}

export function environmentOf({ hasParams, hasAuthorizer, variables, types }: ExpressionScope): Environment {
  const objectType = types?.object ?? DYN
  return {
    variables: {
      object: objectType,
      oldObject: objectType,
      namespaceObject: NAMESPACE,
      request: REQUEST,
      ...(hasParams && { params: types?.params ?? DYN }),
      ...(variables && { variables: { kind: 'object', name: 'kubernetes.variables', fields: variables, hasPlainNames: true } as CelType }),
    },
    ...(hasAuthorizer && { hasAuthorizer }),
  }
}

const RESULTS: Readonly<Record<ExpressionUse, readonly string[] | undefined>> = {
  matchCondition: ['bool'],
  validation: ['bool'],
  message: ['string'],
  auditAnnotation: ['string', 'null_type'],
  variable: undefined,
  applyConfiguration: ['Object'],
  jsonPatch: ['list(JSONPatch)'],
  deviceSelector: ['bool'],
}

/** The expression cannot be used for what it is for; the message is upstream's. */
export class ExpressionError extends Error {
  override readonly name = 'ExpressionError'
}

const patching = new WeakMap<Environment, Environment>()

/** One for each environment, so that what was compiled in it stays known. */
function withPatchTypes(environment: Environment): Environment {
  let known = patching.get(environment)
  if (!known) patching.set(environment, (known = { ...environment, hasPatchTypes: true }))
  return known
}

/** Throws ExpressionError. */
export function compileFor(use: ExpressionUse, expression: string, environment: Environment): Program {
  const patches = use === 'applyConfiguration' || use === 'jsonPatch'
  try {
    const program = compile(expression, patches ? withPatchTypes(environment) : environment)
    checkResult(use, program.resultTypeText)
    return program
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    if (error.resultTypeText !== undefined) checkResult(use, error.resultTypeText)
    throw new ExpressionError(error.reason, { cause: error })
  }
}

function checkResult(use: ExpressionUse, got: string): void {
  const wanted = RESULTS[use]
  if (!wanted || wanted.includes(got)) return
  const expected = wanted.length === 1 ? wanted[0] : `one of [${wanted.join(' ')}]`
  throw new ExpressionError(`must evaluate to ${expected} but got ${got}`)
}

/** What a MutatingAdmissionPolicy makes of an object: its mutations in order, each of them a patch that an expression writes. */
import type { Mutation, MutatingAdmissionPolicy } from '../../../api/kinds/admissionregistration/v1.ts'
import type { TypeDef } from '../../../api/catalog/schema.ts'
import type { JsonObject, KubeObject } from '../../../api/resource.ts'
import { isJsonObject } from '../../cache/json.ts'
import { cloneJson } from '../../../api/jsonValues.ts'
import { atomicsOf } from '../../../merge/apply/atomics.ts'
import { mergeTyped } from '../../../merge/apply/mergeTyped.ts'
import { validateTyped } from '../../../merge/apply/validateTyped.ts'
import { compileFor, environmentOf, ExpressionError } from '../../../cel/admissionExpressions.ts'
import type { ExpressionScope } from '../../../cel/admissionExpressions.ts'
import { POLICY_COST_BUDGET, evaluate } from '../expressions/evaluation.ts'
import type { ExpressionInput } from '../expressions/evaluation.ts'
import { MatchConditions } from '../expressions/matchConditions.ts'
import type { Compiled, ConditionsResult } from '../expressions/matchConditions.ts'
import { PatchFailure, patchObject } from '../jsonPatches.ts'
import { PolicyVariables } from './variables.ts'

/** The mutation cannot be made; failurePolicy decides what that means. */
export class MutationError extends Error {
  override readonly name = 'MutationError'
}

interface CompiledMutation {
  isJsonPatch: boolean
  expression: Compiled
}

export class Mutator {
  readonly #variables: PolicyVariables
  readonly #conditions: MatchConditions | undefined
  readonly #mutations: readonly CompiledMutation[]

  constructor({ spec }: MutatingAdmissionPolicy) {
    const { failurePolicy = 'Fail', paramKind, variables = [], matchConditions = [], mutations = [] } = spec
    const scope: ExpressionScope = { hasParams: paramKind !== undefined, hasAuthorizer: true }
    this.#variables = new PolicyVariables(variables, scope)
    const environment = environmentOf({ ...scope, variables: this.#variables.types })
    if (matchConditions.length > 0) this.#conditions = new MatchConditions(matchConditions, environment, failurePolicy)
    this.#mutations = mutations.map((mutation) => compileMutation(mutation, environment))
  }

  get count(): number {
    return this.#mutations.length
  }

  /** What JSON patches make may have no unknown fields. */
  isStrict(index: number): boolean {
    return this.#mutations[index]?.isJsonPatch ?? false
  }

  decide(given: ExpressionInput): ConditionsResult {
    return this.#conditions?.decide(this.#variables.bind(given, { remaining: POLICY_COST_BUDGET })) ?? { matches: true }
  }

  /** The object as one of the mutations makes it. Throws MutationError, ExpressionFailure, OutOfBudget. */
  mutate(index: number, object: KubeObject, type: TypeDef, given: ExpressionInput): JsonObject {
    const { isJsonPatch, expression } = this.#mutations[index] as CompiledMutation
    if ('error' in expression) throw new MutationError(expression.error)
    const budget = { remaining: POLICY_COST_BUDGET }
    const result = evaluate(expression.program, this.#variables.bind(given, budget), budget)
    return isJsonPatch ? applyPatch(object, result) : applyConfiguration(object, result, type)
  }
}

function compileMutation(
  { patchType, jsonPatch, applyConfiguration }: Mutation,
  ...rest: [Parameters<typeof compileFor>[2]]
): CompiledMutation {
  const isJsonPatch = patchType === 'JSONPatch'
  const text = (isJsonPatch ? jsonPatch : applyConfiguration)?.expression ?? ''
  try {
    return { isJsonPatch, expression: { program: compileFor(isJsonPatch ? 'jsonPatch' : 'applyConfiguration', text, ...rest) } }
  } catch (error) {
    if (!(error instanceof ExpressionError)) throw error
    return { isJsonPatch, expression: { error: error.message } }
  }
}

function applyPatch(object: KubeObject, result: unknown): JsonObject {
  const operations = (result as JsonObject[]).map(({ op, path, from, value }) => ({
    op: op ?? '',
    path: path ?? '',
    ...(from && { from }),
    ...(value !== undefined && { value }),
  }))
  try {
    return patchObject(cloneJson(object), operations as JsonObject[])
  } catch (error) {
    if (!(error instanceof PatchFailure)) throw error
    // A test that fails means that there is nothing to do.
    if (error.testFailed) return cloneJson(object) as unknown as JsonObject
    throw new MutationError(`JSON Patch: ${error.message}`, { cause: error })
  }
}

/** Server-side apply's merge, without owners: what the expression does not mention stays. */
function applyConfiguration(object: KubeObject, result: unknown, type: TypeDef): JsonObject {
  if (!isJsonObject(result)) throw new MutationError('unsupported return type from ApplyConfiguration expression')
  const { kind = '', apiVersion = '' } = object
  const applied: JsonObject = { ...result, kind, apiVersion }
  const fault = validateTyped(applied, type)
  if (fault !== undefined) throw new MutationError(`error applying patch: failed to convert patch object to typed object: ${fault}`)
  const atomics = atomicsOf(applied, type)
  if (atomics.length > 0) {
    const why = `may not mutate atomic arrays, maps or structs: ${atomics.join(', ')}`
    throw new MutationError(`error applying patch: invalid ApplyConfiguration: ${why}`)
  }
  return cloneJson(mergeTyped(object as unknown as JsonObject, applied, type)) as JsonObject
}

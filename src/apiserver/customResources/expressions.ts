/**
 * The expressions of a schema (x-kubernetes-validations): what they have to keep to in a definition, with limits on what they
 * may cost, and how they judge an object (apiextensions-apiserver's pkg/apiserver/schema/cel).
 */
import type { ValidationRule } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonValue } from '../../api/resource.ts'
import type { FieldError } from '../../api/status.ts'
import { forbidden, invalid, invalidShape, required } from '../../api/validation/fieldErrors.ts'
import { compile } from '../../cel/compile.ts'
import { minSizeOf } from '../../cel/cost/sizes.ts'
import { CompileError, CostExceededError, EvaluationError } from '../../cel/program.ts'
import type { CelType, CostBudget, Environment, Program } from '../../cel/program.ts'
import { celTypeOf } from './celTypes.ts'
import type { Correlated } from './correlation.ts'
import type { CompiledRules } from './customResourceStrategy.ts'
import type { ExpressionRules } from './definitionValidation.ts'
import { additionalOf, childPath, isMap, keyPath, limitOf, propertyOf, someSchema } from './jsonSchema.ts'
import type { Json, JsonSchema } from './jsonSchema.ts'
import { shownRule } from './internalForm.ts'
import type { RuleContext } from './schemaRules.ts'
import { schemaPath, shownPath } from './schemaPaths.ts'

/** Upstream's limits, in its cost units. */
const RULE_COST_LIMIT = 10_000_000
const SCHEMA_COST_LIMIT = 100_000_000
const REQUEST_BUDGET = 10_000_000
const REQUEST_SIZE_BYTES = 3 * 1024 * 1024
const MOST_COST = 2 ** 64
const MOST_EXPENSIVE_SHOWN = 4
const MESSAGE_LIMIT_BYTES = 5 * 1024

interface CompiledRule {
  rule: ValidationRule
  program?: Program
  message?: Program
  usesOldSelf: boolean
  fieldPath: string
  error?: string
  messageError?: string
}

interface Environments {
  plain: Environment
  optional: Environment
}

const environments = new WeakMap<CelType, Environments>()

function environmentsOf(type: CelType): Environments {
  let known = environments.get(type)
  if (!known) {
    known = {
      plain: { variables: { self: type, oldSelf: type } },
      optional: { variables: { self: type, oldSelf: { kind: 'optional', of: type } } },
    }
    environments.set(type, known)
  }
  return known
}

function compileText(
  text: string,
  environment: Environment,
  wanted: 'bool' | 'string',
  words: { failed: string; type: string },
): Program | string {
  try {
    const program = compile(text, environment)
    return program.resultType.kind === wanted ? program : words.type
  } catch (error) {
    if (!(error instanceof CompileError)) throw error
    if (error.resultType && error.resultType.kind !== wanted) return words.type
    return `${words.failed}${error.reason}`
  }
}

const RULE_WORDS = { failed: '', type: 'cel expression must evaluate to a bool' }
const MESSAGE_WORDS = { failed: 'messageExpression ', type: 'messageExpression must evaluate to a string' }

function compileRule(rule: ValidationRule, schema: JsonSchema, type: CelType): CompiledRule {
  const environment = environmentsOf(type)[rule.optionalOldSelf ? 'optional' : 'plain']
  const program = compileText(rule.rule, environment, 'bool', RULE_WORDS)
  const found = rule.fieldPath ? schemaPath(rule.fieldPath, schema) : undefined
  const fieldPath = found === undefined || typeof found === 'string' ? '' : shownPath(found)
  if (typeof program === 'string') return { rule, usesOldSelf: false, fieldPath, error: program }
  const compiled = { rule, program, usesOldSelf: program.uses('oldSelf'), fieldPath }
  if (!rule.messageExpression) return compiled
  const message = compileText(rule.messageExpression, environment, 'string', MESSAGE_WORDS)
  return typeof message === 'string' ? { ...compiled, messageError: message } : { ...compiled, message }
}

const rulesOf = (schema: JsonSchema): readonly ValidationRule[] => schema['x-kubernetes-validations'] ?? []

const times = (cost: number, count: number): number => Math.min(cost * count || 0, MOST_COST)

function exceeds(what: string, cost: number, limit: number): string {
  const factor = cost / limit
  const shown = factor > 100 ? 'more than 100x' : factor < 1.5 ? `${factor.toFixed(6)}x` : `${factor.toFixed(1)}x`
  return `${what} exceeds budget by factor of ${shown} (try simplifying the rule, or adding maxItems, maxProperties, and maxLength where arrays, maps, and strings are declared)`
}

interface Total {
  cost: number
  expensive: { path: string; cost: number }[]
  suppressed: boolean
}

/** One part of a schema that is checked, with how many values of it one object can have at most (undefined: nothing bounds it). */
class SchemaContext implements RuleContext {
  readonly #schema: JsonSchema
  readonly #cardinality: number | undefined
  readonly #total: Total
  readonly #isRoot: boolean

  constructor(schema: JsonSchema, cardinality: number | undefined, total: Total, isRoot: boolean) {
    this.#schema = schema
    this.#cardinality = cardinality
    this.#total = total
    this.#isRoot = isRoot
  }

  property(_name: string, schema: JsonSchema): RuleContext {
    return this.#below(schema)
  }

  items(schema: JsonSchema): RuleContext {
    return this.#below(schema)
  }

  additionalProperties(schema: JsonSchema): RuleContext {
    return this.#below(schema)
  }

  #below(schema: JsonSchema): RuleContext {
    const elements = this.#elements()
    const cardinality = this.#cardinality === undefined || elements === undefined ? undefined : times(this.#cardinality, elements)
    return new SchemaContext(schema, cardinality, this.#total, false)
  }

  #elements(): number | undefined {
    const { type, additionalProperties, maxProperties, maxItems } = this.#schema
    if (type === 'object') return additionalProperties === undefined ? 1 : limitOf(maxProperties)
    return type === 'array' ? limitOf(maxItems) : 1
  }

  check(schema: JsonSchema, path: string, uncorrelatable: string | undefined): FieldError[] {
    const at = `${path}.x-kubernetes-validations`
    const type = celTypeOf(schema, this.#isRoot || schema['x-kubernetes-embedded-resource'] === true)
    if (!type) {
      const why =
        'internal error: failed to construct type information for x-kubernetes-validations rules: unable to convert structural schema to CEL declarations'
      return [{ type: 'InternalError', field: at, message: `Internal error: ${why}` }]
    }
    const cardinality = this.#cardinality ?? Math.floor(REQUEST_SIZE_BYTES / (minSizeOf(type) + 1))
    return rulesOf(schema).flatMap((rule, i) => {
      if (rule.rule.trim() === '') return []
      return this.#checkRule(compileRule(rule, schema, type), `${at}[${i}]`, cardinality, uncorrelatable)
    })
  }

  #checkRule(compiled: CompiledRule, path: string, cardinality: number, uncorrelatable: string | undefined): FieldError[] {
    const { rule, program, message, error, messageError, usesOldSelf } = compiled
    const errors: FieldError[] = []
    if (program) errors.push(...this.#spend('estimated rule cost', times(program.estimatedCost, cardinality), `${path}.rule`))
    if (error !== undefined) errors.push(invalid(`${path}.rule`, shownRule(rule), error))
    if (messageError !== undefined) errors.push(invalid(`${path}.messageExpression`, shownRule(rule), messageError))
    else if (message) errors.push(...this.#spend('estimated messageExpression cost', message.estimatedCost, `${path}.messageExpression`))
    if (usesOldSelf && uncorrelatable !== undefined) {
      const why = `oldSelf cannot be used on the uncorrelatable portion of the schema within ${uncorrelatable}`
      errors.push(invalid(`${path}.rule`, rule.rule, why))
    } else if (!usesOldSelf && rule.optionalOldSelf !== undefined)
      errors.push(invalid(`${path}.optionalOldSelf`, rule.optionalOldSelf, 'may not be set if oldSelf is not used in rule'))
    return errors
  }

  #spend(what: string, cost: number, path: string): FieldError[] {
    const total = this.#total
    total.cost = Math.min(total.cost + cost, MOST_COST)
    if (cost >= SCHEMA_COST_LIMIT / 100) {
      total.expensive.push({ path, cost })
      total.expensive.sort((a, b) => b.cost - a.cost).splice(MOST_EXPENSIVE_SHOWN)
    }
    return !total.suppressed && cost > RULE_COST_LIMIT ? [forbidden(path, exceeds(what, cost, RULE_COST_LIMIT))] : []
  }

  /** What all rules cost together. */
  total(path: string): FieldError[] {
    const { cost, expensive } = this.#total
    if (cost <= SCHEMA_COST_LIMIT) return []
    const why = 'contributed to estimated rule cost total exceeding cost limit for entire OpenAPIv3 schema'
    const what = 'x-kubernetes-validations estimated rule cost total for entire OpenAPIv3 schema'
    return [...expensive.map((one) => forbidden(one.path, why)), forbidden(path, exceeds(what, cost, SCHEMA_COST_LIMIT))]
  }
}

export class SchemaExpressions implements ExpressionRules {
  /** Of a schema that has not changed, no rule is refused for what it costs alone. */
  context(schema: JsonSchema, unchanged: boolean): SchemaContext {
    return new SchemaContext(schema, 1, { cost: 0, expensive: [], suppressed: unchanged }, true)
  }

  validateDefault(value: JsonValue, schema: JsonSchema, path: string): FieldError[] {
    const rules = compiledRules(schema, schema['x-kubernetes-embedded-resource'] === true)
    return rules.any ? rules.validateAt(value, value, path) : []
  }
}

interface Judged {
  value: unknown
  old: unknown
  path: string
  correlated: Correlated | undefined
  /** Where the value itself has no counterpart, that of what it is in: unchanged as a whole, it may stay as it is. */
  parent: Correlated | undefined
  /** Of what is wrong and may stay. */
  warnings: string[]
}

const RUN_OUT = 'validation failed due to running out of cost budget, no further validation rules will be run'

class BudgetSpent extends Error {
  override readonly name = 'BudgetSpent'
}

/** The rules of one schema and of all that is in it, compiled when they are first needed. */
class SchemaRules implements CompiledRules {
  readonly any: boolean
  readonly #schema: JsonSchema
  readonly #isResource: boolean
  readonly #compiled = new Map<JsonSchema, readonly CompiledRule[]>()
  readonly #hasRules = new Map<JsonSchema, boolean>()

  constructor(schema: JsonSchema, isResource: boolean) {
    this.#schema = schema
    this.#isResource = isResource
    this.any = this.#has(schema)
  }

  validate(value: object, old: object | undefined, correlated: Correlated | undefined, warnings: string[] = []): FieldError[] {
    return this.#judgeAll({ value, old, path: '', correlated, parent: undefined, warnings })
  }

  validateAt(value: unknown, old: unknown, path: string): FieldError[] {
    return this.#judgeAll({ value, old, path, correlated: undefined, parent: undefined, warnings: [] })
  }

  #judgeAll(judged: Judged): FieldError[] {
    const errors: FieldError[] = []
    try {
      this.#judge(this.#schema, judged, { remaining: REQUEST_BUDGET }, errors, this.#isResource)
    } catch (error) {
      if (!(error instanceof BudgetSpent)) throw error
    }
    return errors
  }

  /** Most of a large schema has no rules: it is not walked. */
  #has(schema: JsonSchema): boolean {
    let has = this.#hasRules.get(schema)
    if (has === undefined) {
      has = someSchema(schema, (part) => rulesOf(part).length > 0)
      this.#hasRules.set(schema, has)
    }
    return has
  }

  #judge(schema: JsonSchema, judged: Judged, budget: CostBudget, errors: FieldError[], isResource: boolean): void {
    const { value, old } = judged
    if (value === null || value === undefined || !this.#has(schema)) return
    this.#judgeRules(schema, judged, budget, errors, isResource)
    if (Array.isArray(value)) this.#judgeList(schema, value, judged, budget, errors)
    else if (isMap(value)) this.#judgeMap(schema, value, isMap(old) ? old : undefined, judged, budget, errors)
  }

  #judgeList(schema: JsonSchema, list: readonly unknown[], judged: Judged, budget: CostBudget, errors: FieldError[]): void {
    const { items } = schema
    if (!items || !this.#has(items)) return
    const { old, path, correlated, parent, warnings } = judged
    const oldItem = correlatedItems(schema, old)
    for (const [i, value] of list.entries()) {
      const below = correlated ? { correlated: correlated.index(i), parent: correlated } : { correlated, parent }
      this.#judge(items, { value, old: oldItem(value), path: `${path}[${i}]`, ...below, warnings }, budget, errors, isEmbedded(items))
    }
  }

  #judgeMap(schema: JsonSchema, map: Json, old: Json | undefined, judged: Judged, budget: CostBudget, errors: FieldError[]): void {
    const { path, correlated, parent, warnings } = judged
    const additional = additionalOf(schema)
    for (const [key, value] of Object.entries(map)) {
      const property = propertyOf(schema, key)
      const below = property ?? additional
      if (!below || !this.#has(below)) continue
      const at = property ? childPath(path, key) : keyPath(path, key)
      const next = {
        value,
        old: old && Object.hasOwn(old, key) ? old[key] : undefined,
        path: at,
        ...(correlated ? { correlated: correlated.key(key), parent: correlated } : { correlated, parent }),
        warnings,
      }
      this.#judge(below, next, budget, errors, isEmbedded(below))
    }
  }

  #rules(schema: JsonSchema, isResource: boolean): readonly CompiledRule[] {
    let compiled = this.#compiled.get(schema)
    if (!compiled) {
      const type = celTypeOf(schema, isResource)
      compiled = type ? rulesOf(schema).map((rule) => compileRule(rule, schema, type)) : []
      this.#compiled.set(schema, compiled)
    }
    return compiled
  }

  #judgeRules(schema: JsonSchema, judged: Judged, budget: CostBudget, errors: FieldError[], isResource: boolean): void {
    if (rulesOf(schema).length === 0) return
    const rules = this.#rules(schema, isResource)
    if (budget.remaining <= 0) this.#runOut(schema, judged, errors)
    for (const compiled of rules) this.#judgeRule(compiled, schema, judged, budget, errors)
  }

  #runOut(schema: JsonSchema, { path }: Judged, errors: FieldError[]): never {
    errors.push(invalid(path || NO_FIELD, schema.type ?? '', RUN_OUT))
    throw new BudgetSpent(RUN_OUT)
  }

  #judgeRule(compiled: CompiledRule, schema: JsonSchema, judged: Judged, budget: CostBudget, errors: FieldError[]): void {
    const { rule, program, usesOldSelf, error } = compiled
    const { value, old, path } = judged
    const field = path || NO_FIELD
    const type = schema.type ?? ''
    if (error !== undefined || !program) {
      errors.push(invalid(field, type, `rule compile error: ${error ?? ''}`))
      return
    }
    const hasOld = old !== undefined && old !== null
    if (usesOldSelf && !hasOld && !rule.optionalOldSelf) return
    const variables = { self: value, oldSelf: hasOld ? old : null }
    let holds: unknown
    try {
      holds = program.evaluate(variables, { budget })
      if (budget.remaining < 0) this.#runOut(schema, judged, errors)
    } catch (failure) {
      if (budget.remaining < 0 && !(failure instanceof BudgetSpent)) this.#runOut(schema, judged, errors)
      if (!(failure instanceof EvaluationError || failure instanceof CostExceededError)) throw failure
      errors.push(invalid(field, type, evaluationFailure(failure, rule)))
      if (failure instanceof CostExceededError) throw new BudgetSpent(failure.message, { cause: failure })
      return
    }
    if (holds === true) return
    const fault = this.#fault(compiled, schema, judged, variables, budget)
    // What was wrong before and has not changed may stay; transition rules are about the change itself.
    const unchanged = judged.correlated ? judged.correlated.unchanged : (judged.parent?.unchanged ?? false)
    if (usesOldSelf || !unchanged) errors.push(fault)
    else judged.warnings.push(`${fault.field}: ${fault.message}`)
  }

  #fault(compiled: CompiledRule, schema: JsonSchema, judged: Judged, variables: Record<string, unknown>, budget: CostBudget): FieldError {
    const { rule, fieldPath } = compiled
    const path = fieldPath === '' ? judged.path : fieldPath.startsWith('[') ? judged.path + fieldPath : childPath(judged.path, fieldPath)
    const field = path || NO_FIELD
    const detail = messageOf(compiled, variables, budget) ?? (rule.message?.trim() || `failed rule: ${rule.rule.trim()}`)
    const shapeless = schema.type === 'object' || schema.type === 'array'
    switch (rule.reason) {
      case 'FieldValueForbidden':
        return forbidden(field, detail)
      case 'FieldValueRequired':
        return required(field, detail)
      case 'FieldValueDuplicate':
        return {
          type: 'FieldValueDuplicate',
          field,
          message: shapeless ? 'Duplicate value' : `Duplicate value: ${JSON.stringify(judged.value)}`,
        }
      default:
        return shapeless ? invalidShape(field, detail) : invalid(field, judged.value, detail)
    }
  }
}

/** What upstream prints for the path of the whole object. */
const NO_FIELD = '<nil>'

const isEmbedded = (schema: JsonSchema): boolean => schema['x-kubernetes-embedded-resource'] === true

function evaluationFailure({ message }: Error, rule: ValidationRule): string {
  const shown = rule.message?.trim() || rule.rule.trim()
  if (message.startsWith('no such overload'))
    return `'${message}': call arguments did not match a supported operator, function or macro signature for rule: ${shown}`
  if (message.startsWith('operation cancelled'))
    return `'${message}': no further validation rules will be run due to call cost exceeds limit for rule: ${shown}`
  return `${message} evaluating rule: ${shown}`
}

/** Undefined where the expression makes no message: the rule's own counts then. */
function messageOf({ message }: CompiledRule, variables: Record<string, unknown>, budget: CostBudget): string | undefined {
  if (!message) return undefined
  try {
    const text = message.evaluate(variables, { budget })
    if (typeof text !== 'string') return undefined
    const trimmed = text.trim()
    const fits = trimmed !== '' && !/[\n\r]/.test(trimmed) && Buffer.byteLength(trimmed) <= MESSAGE_LIMIT_BYTES
    return fits ? trimmed : undefined
  } catch (error) {
    if (error instanceof EvaluationError || error instanceof CostExceededError) return undefined
    throw error
  }
}

/** The old item that a new one came from, which only lists with keys tell. */
function correlatedItems(schema: JsonSchema, old: unknown): (item: unknown) => unknown {
  if (schema['x-kubernetes-list-type'] !== 'map' || !Array.isArray(old)) return () => undefined
  const keys = schema['x-kubernetes-list-map-keys'] ?? []
  const keyOf = (item: Json): string => JSON.stringify(keys.map((key) => item[key] ?? null))
  const byKey = new Map(old.filter(isMap).map((item) => [keyOf(item), item]))
  return (item) => (isMap(item) ? byKey.get(keyOf(item)) : undefined)
}

/** For an object, or for a value within one. */
export function compiledRules(schema: JsonSchema, isResource = true): SchemaRules {
  return new SchemaRules(schema, isResource)
}

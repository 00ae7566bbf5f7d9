/**
 * The Common Expression Language as Kubernetes speaks it (k8s.io/apiserver/pkg/cel): what an expression is compiled in,
 * and what comes of it. Everything that holds expressions (custom resource rules, admission policies, match conditions,
 * device selectors) meets the language here and nowhere else.
 */

/**
 * A declared type. The bounds, where known, serve the estimate of an expression's cost; without them what fits into one
 * request bounds it. `required` names the fields that every object has and no default fills in.
 */
export type CelType =
  | { kind: 'bool'; maxSize?: number }
  | { kind: 'int' | 'uint' | 'double' | 'null_type' | 'duration' | 'type' }
  /** Dates alone are shorter. */
  | { kind: 'timestamp'; isDate?: boolean }
  /** As a schema gives the length (in characters); `maxSize` where more is known, as of an enum, in bytes. */
  | { kind: 'string' | 'bytes' | 'dyn'; maxLength?: number; maxSize?: number }
  /** Sets and maps are equal in any order, and `+` joins them as such; maps tell their items apart by the keys. */
  | { kind: 'list'; of: CelType; maxItems?: number; listType?: 'set' | 'map'; mapKeys?: readonly string[] }
  | { kind: 'map'; of: CelType; key?: CelType; maxProperties?: number; maxKeySize?: number }
  /** The fields by the names of the properties; expressions write them escaped (`a-b` is `a__dash__b`), or plain ones as they are. */
  | { kind: 'object'; name: string; fields: ReadonlyMap<string, CelType>; required?: readonly string[]; hasPlainNames?: boolean }
  /** `optional.of(…)`, or `optional.none()` for null. */
  | { kind: 'optional'; of: CelType }
  /** A type of Kubernetes' own libraries: `net.IP`, `kubernetes.Quantity`, `kubernetes.authorization.Authorizer` … */
  | { kind: 'opaque'; name: string }

export interface Environment {
  /** The variables that an expression may name. */
  variables: Readonly<Record<string, CelType>>
  /** Whether `authorizer` (and `authorizer.requestResource` with `request`) is there; evaluations pass what it asks. */
  hasAuthorizer?: boolean
  /** Whether expressions may use `cel.bind`, as device selectors may. */
  hasBindings?: boolean
  /** Whether expressions may make what mutating policies answer: `Object.spec{…}` with any field, and `JSONPatch{…}`. */
  hasPatchTypes?: boolean
  /** Further object types that an expression may construct, by name. */
  constructible?: ReadonlyMap<string, CelType>
}

/** What an evaluation may still spend; shared by the expressions of one request. */
export interface CostBudget {
  /** In upstream's cost units. */
  remaining: number
}

/** What the `authorizer` of an expression asks: may this user (absent: the request's) do that? */
export interface AuthorizerQuery {
  /** The service account asked for by `authorizer.serviceAccount(namespace, name)`. */
  serviceAccount?: { namespace: string; name: string }
  path?: string
  group?: string
  resource?: string
  subresource?: string
  namespace?: string
  name?: string
  fieldSelector?: string
  labelSelector?: string
  verb: string
}

export interface AuthorizerDecision {
  allowed: boolean
  reason: string
  /** Why it could not be decided. */
  error?: string
}

export interface Authorizer {
  /** For `authorizer.requestResource`. */
  requestResource?: Omit<AuthorizerQuery, 'verb'>
  check(query: AuthorizerQuery): AuthorizerDecision
}

export interface Evaluation {
  budget?: CostBudget
  authorizer?: Authorizer
  /** Long evaluations give up when it aborts. */
  signal?: AbortSignal
  /** The result stays a value of the language, to become a variable of another evaluation: maps keep keys that are no strings. */
  staysValue?: boolean
}

export interface Program {
  readonly expression: string
  readonly resultType: CelType
  /** As messages print it. */
  readonly resultTypeText: string
  /** Upstream's static estimate of the worst case, in its cost units; Infinity where nothing bounds it. */
  readonly estimatedCost: number
  /** Whether the expression reads a variable (`oldSelf`, `params` …). */
  uses(variable: string): boolean
  /**
   * Variables are plain JSON values (numbers of declared type int become CEL ints, strings of declared type timestamp
   * become timestamps). The result is a plain JSON value again, or a value of a Kubernetes type.
   * @throws EvaluationError in cel-go's words (`no such key: x`), CostExceededError when the budget is spent.
   */
  evaluate(variables: Readonly<Record<string, unknown>>, options?: Evaluation): unknown
}

/** What the message of a CompileError begins with where the text and its types are right. */
export const INSTANTIATION_FAILED = 'program instantiation failed: '

/** The expression cannot be compiled; the message is cel-go's, with its `ERROR: <input>:1:3:` lines. */
export class CompileError extends Error {
  override readonly name = 'CompileError'
  /** Of what fits in itself but for its constants. */
  readonly resultType: CelType | undefined
  readonly resultTypeText: string | undefined

  constructor(message: string, result?: Pick<Program, 'resultType' | 'resultTypeText'>) {
    super(message)
    this.resultType = result?.resultType
    this.resultTypeText = result?.resultTypeText
  }

  /** The message after what upstream says of the stage; the constants of an expression are worked out at the second. */
  get reason(): string {
    return this.message.startsWith(INSTANTIATION_FAILED) ? this.message : `compilation failed: ${this.message}`
  }
}

export class EvaluationError extends Error {
  override readonly name = 'EvaluationError'
}

export class CostExceededError extends Error {
  override readonly name = 'CostExceededError'
}

/** @throws CompileError */
export type Compile = (expression: string, environment: Environment) => Program

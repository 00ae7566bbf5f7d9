import type { JsonObject } from '../resource.ts'

export interface DefaultingContext {
  /** For the few defaults that are a time. */
  nowMs: number
}

/** Changes a struct in place. It may count on the shape in which Go writes it. */
export type Rule = (object: JsonObject, context: DefaultingContext) => void

/** By OpenAPI definition name. */
export type Rules = Readonly<Record<string, Rule>>

/** A rule on the generated shape of its type. */
export function rule<T>(apply: (object: T, context: DefaultingContext) => void): Rule {
  return (object, context) => apply(object as T, context)
}

/**
 * The grammar of the language as data, for the one who has to say what is wrong with a text (recovery.ts): which words may stand
 * at each place, and which may follow it. Names and order of the words are those that errors print.
 */
export const WORDS = [
  ...[
    'EOF',
    '==',
    '!=',
    'in',
    '<',
    '<=',
    '>=',
    '>',
    '&&',
    '||',
    '[',
    ']',
    '{',
    '}',
    '(',
    ')',
    '.',
    ',',
    '-',
    '!',
    '?',
    ':',
    '+',
    '*',
    '/',
    '%',
  ],
  ...['true', 'false', 'null', 'NUM_FLOAT', 'NUM_INT', 'NUM_UINT', 'STRING', 'BYTES', 'IDENTIFIER', 'ESC_IDENTIFIER'],
]

/** Stands in a set of words for the end of the rule. */
export const END_OF_RULE = ''

type RuleName =
  | 'start'
  | 'expr'
  | 'conditionalOr'
  | 'conditionalAnd'
  | 'relation'
  | 'calc'
  | 'unary'
  | 'member'
  | 'primary'
  | 'exprList'
  | 'listInit'
  | 'fieldInitializerList'
  | 'optField'
  | 'mapInitializerList'
  | 'escapeIdent'
  | 'optExpr'
  | 'literal'

type Shape =
  | { kind: 'word'; word: string }
  | { kind: 'operator'; words: readonly string[] }
  | { kind: 'rule'; rule: RuleName; precedence: number }
  | { kind: 'optional' | 'star' | 'plus'; body: readonly Shape[] }
  | { kind: 'choice'; alternatives: readonly (readonly Shape[])[] }

const word = (text: string): Shape => ({ kind: 'word', word: text })
const rule = (name: RuleName, precedence = 0): Shape => ({ kind: 'rule', rule: name, precedence })
const optional = (...body: Shape[]): Shape => ({ kind: 'optional', body })
const star = (...body: Shape[]): Shape => ({ kind: 'star', body })
const plus = (...body: Shape[]): Shape => ({ kind: 'plus', body })
const choice = (...alternatives: Shape[][]): Shape => ({ kind: 'choice', alternatives })
const chain = (operators: readonly string[], next: Shape): Shape => star({ kind: 'operator', words: operators }, next)

const dotted = optional(word('.'))
const identifier = word('IDENTIFIER')
const pair = (key: RuleName): Shape[] => [rule(key), word(':'), rule('expr')]
const listOf = (...element: Shape[]): Shape[] => [...element, star(word(','), ...element)]
const literals = ['STRING', 'BYTES', 'true', 'false', 'null'].map((text) => [word(text)])

const SHAPES: Readonly<Record<RuleName, readonly Shape[]>> = {
  start: [rule('expr'), word('EOF')],
  expr: [rule('conditionalOr'), optional(word('?'), rule('conditionalOr'), word(':'), rule('expr'))],
  conditionalOr: [rule('conditionalAnd'), star(word('||'), rule('conditionalAnd'))],
  conditionalAnd: [rule('relation'), star(word('&&'), rule('relation'))],
  relation: [rule('calc'), chain(['<', '<=', '>', '>=', '==', '!=', 'in'], rule('relation', 2))],
  calc: [
    rule('unary'),
    star(
      choice([{ kind: 'operator', words: ['*', '/', '%'] }, rule('calc', 3)], [{ kind: 'operator', words: ['+', '-'] }, rule('calc', 2)]),
    ),
  ],
  unary: [choice([rule('member')], [plus(word('!')), rule('member')], [plus(word('-')), rule('member')])],
  member: [
    rule('primary'),
    star(
      choice(
        [word('.'), optional(word('?')), rule('escapeIdent')],
        [word('.'), identifier, word('('), optional(rule('exprList')), word(')')],
        [word('['), optional(word('?')), rule('expr'), word(']')],
      ),
    ),
  ],
  primary: [
    choice(
      [dotted, identifier],
      [dotted, identifier, word('('), optional(rule('exprList')), word(')')],
      [word('('), rule('expr'), word(')')],
      [word('['), optional(rule('listInit')), optional(word(',')), word(']')],
      [word('{'), optional(rule('mapInitializerList')), optional(word(',')), word('}')],
      [dotted, identifier, star(word('.'), identifier), word('{'), optional(rule('fieldInitializerList')), optional(word(',')), word('}')],
      [rule('literal')],
    ),
  ],
  exprList: listOf(rule('expr')),
  listInit: listOf(rule('optExpr')),
  fieldInitializerList: listOf(...pair('optField')),
  optField: [optional(word('?')), rule('escapeIdent')],
  mapInitializerList: listOf(...pair('optExpr')),
  escapeIdent: [choice([identifier], [word('ESC_IDENTIFIER')])],
  optExpr: [optional(word('?')), rule('expr')],
  literal: [choice([optional(word('-')), word('NUM_INT')], [word('NUM_UINT')], [optional(word('-')), word('NUM_FLOAT')], ...literals)],
}

/** A place in a rule: what may stand there, and the place after it (undefined: the rule's end). */
export type Place =
  | { kind: 'word'; word: string; next: Place | undefined }
  | { kind: 'operator'; words: readonly string[]; next: Place | undefined }
  | { kind: 'rule'; rule: RuleName; precedence: number; next: Place | undefined }
  /** `again` is passed after each turn of a loop. */
  | { kind: 'optional' | 'star' | 'plus' | 'again'; body: Place; next: Place | undefined }
  | { kind: 'choice'; alternatives: readonly Place[]; next: Place | undefined }

function place(shape: Shape, next: Place | undefined): Place {
  if (shape.kind === 'choice') return { kind: 'choice', alternatives: shape.alternatives.map((shapes) => places(shapes, next)!), next }
  if (shape.kind === 'word' || shape.kind === 'operator' || shape.kind === 'rule') return { ...shape, next }
  if (shape.kind === 'optional') return { kind: 'optional', body: places(shape.body, next)!, next }
  const loop = { kind: shape.kind, next } as Place & { kind: 'star' | 'plus' }
  if (shape.kind === 'star') loop.body = places(shape.body, loop)!
  else {
    const again = { kind: 'again', next } as Place & { kind: 'again' }
    again.body = loop.body = places(shape.body, again)!
  }
  return loop
}

const places = (shapes: readonly Shape[], next: Place | undefined): Place | undefined =>
  shapes.reduceRight<Place | undefined>((after, shape) => place(shape, after), next)

export type Rules = Readonly<Record<RuleName, Place>>
export type { RuleName }

/** Built for the first text that is wrong. */
let rules: Rules | undefined
export function grammar(): Rules {
  rules ??= Object.fromEntries(Object.entries(SHAPES).map(([name, shapes]) => [name, places(shapes, undefined)!])) as unknown as Rules
  return rules
}

const starts = new Map<Place, ReadonlySet<string>>()

/** The words that may stand at a place, with END_OF_RULE where the rule may end there. */
export function wordsAt(at: Place | undefined): ReadonlySet<string> {
  if (!at) return new Set([END_OF_RULE])
  const known = starts.get(at)
  if (known) return known
  const found = new Set(
    at.kind === 'word'
      ? [at.word]
      : at.kind === 'operator'
        ? at.words
        : at.kind === 'rule'
          ? wordsAt(grammar()[at.rule])
          : at.kind === 'choice'
            ? at.alternatives.flatMap((alternative) => [...wordsAt(alternative)])
            : at.kind === 'plus'
              ? wordsAt(at.body)
              : [...wordsAt(at.body), ...wordsAt(at.next)],
  )
  starts.set(at, found)
  return found
}

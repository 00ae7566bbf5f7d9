/** Expressions about the claims of a token, and about the user that was made of them. */
import { compile } from '../../cel/compile.ts'
import { CompileError } from '../../cel/program.ts'
import type { CelType, Environment, Program } from '../../cel/program.ts'

const STRING: CelType = { kind: 'string' }
const STRINGS: CelType = { kind: 'list', of: STRING }
const CLAIMS: Environment = { variables: { claims: { kind: 'map', of: { kind: 'dyn' } } } }
const USER: Environment = {
  variables: {
    user: {
      kind: 'object',
      name: 'kubernetes.UserInfo',
      fields: new Map<string, CelType>([
        ['username', STRING],
        ['uid', STRING],
        ['groups', STRINGS],
        ['extra', { kind: 'map', of: STRINGS }],
      ]),
    },
  },
}

/** @throws CompileError */
export function compileForClaims(expression: string, wanted?: 'bool'): Program {
  const program = compile(expression, CLAIMS)
  if (wanted && program.resultTypeText !== wanted) throw new UnfitError(wanted)
  return program
}

/** Rules alone look at users. @throws CompileError */
export function compileForUser(expression: string): Program {
  const program = compile(expression, USER)
  if (program.resultTypeText !== 'bool') throw new UnfitError('bool')
  return program
}

/** The expression is sound, and of another type than what it is for. */
class UnfitError extends CompileError {
  constructor(wanted: string) {
    super(`must evaluate to ${wanted}`)
  }

  override get reason(): string {
    return this.message
  }
}

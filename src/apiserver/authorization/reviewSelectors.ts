/** What of an access review's selectors the authorizers can look at, and what is told of the rest. Pure. */
import type { ResourceAttributes } from '../../api/kinds/authorization/v1.ts'
import { parseFieldSelector, parseLabelSelector } from '../../api/selectors.ts'

const LABEL_OPERATORS = new Set(['In', 'NotIn', 'Exists', 'DoesNotExist'])

interface Requirement {
  operator?: string
  values?: readonly string[]
}

interface Selector {
  rawSelector?: string
  requirements?: readonly Requirement[]
}

/** Those that compare with one value. */
const isFieldTerm = ({ operator, values = [] }: Requirement): boolean => values.length === 1 && (operator === 'In' || operator === 'NotIn')

const isLabelTerm = ({ operator = '' }: Requirement): boolean => LABEL_OPERATORS.has(operator)

function canParse(parse: (text: string) => unknown, text: string): boolean {
  try {
    parse(text)
    return true
  } catch {
    return false
  }
}

function complaint(
  selector: Selector | undefined,
  name: string,
  parse: (text: string) => unknown,
  isTerm: (requirement: Requirement) => boolean,
): string[] {
  const { rawSelector, requirements = [] } = selector ?? {}
  const ignored = `spec.resourceAttributes.${name} ignored due to parse error`
  if (rawSelector) return canParse(parse, rawSelector) ? [] : [ignored]
  const known = requirements.filter(isTerm).length
  if (known === requirements.length) return []
  return [known > 0 ? ignored.replace(' ignored', ' partially ignored') : ignored]
}

/** '' where all of the selectors counted. */
export function evaluationError({ fieldSelector, labelSelector }: Pick<ResourceAttributes, 'fieldSelector' | 'labelSelector'>): string {
  return [
    ...complaint(fieldSelector as Selector | undefined, 'fieldSelector', parseFieldSelector, isFieldTerm),
    ...complaint(labelSelector as Selector | undefined, 'labelSelector', parseLabelSelector, isLabelTerm),
  ].join('; ')
}

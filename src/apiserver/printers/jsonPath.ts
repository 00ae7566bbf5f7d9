/**
 * The JSONPath of printer columns: `.spec.replicas`, `.items[0].name`, `.conditions[?(@.type=="Ready")].status`,
 * `['quoted']`, `[*]`, escaped dots. Parsed once per column.
 */

type Step =
  | { type: 'field'; name: string }
  | { type: 'index'; at: number }
  | { type: 'all' }
  | { type: 'filter'; path: string[]; operator: '==' | '!='; value: string }

export type JsonPath = readonly Step[]

const STEP = new RegExp(
  [
    String.raw`\.((?:\\.|[^.[\]\\])+)`,
    String.raw`\[(-?\d+)\]`,
    String.raw`\[\*\]|\.\*`,
    String.raw`\[(?:'([^']*)'|"([^"]*)")\]`,
    String.raw`\[\?\(\s*@\.([\w.]+)\s*(==|!=)\s*(?:"([^"]*)"|'([^']*)'|([^)\s]+))\s*\)\]`,
  ].join('|'),
  'y',
)

/** Undefined where the path has something else in it. */
export function parseJsonPath(text: string): JsonPath | undefined {
  const path = text.replace(/^\{|\}$/g, '').replace(/^\$/, '')
  const steps: Step[] = []
  STEP.lastIndex = 0
  while (STEP.lastIndex < path.length) {
    const match = STEP.exec(path)
    if (!match) return undefined
    const [whole, field, index, single, double, filter, operator, ...values] = match
    if (whole === '.*' || whole === '[*]') steps.push({ type: 'all' })
    else if (field !== undefined) steps.push({ type: 'field', name: field.replace(/\\(.)/g, '$1') })
    else if (index !== undefined) steps.push({ type: 'index', at: Number(index) })
    else if (filter !== undefined) {
      steps.push({
        type: 'filter',
        path: filter.split('.'),
        operator: operator as '==' | '!=',
        value: values.find((v) => v !== undefined) ?? '',
      })
    } else steps.push({ type: 'field', name: single ?? double ?? '' })
  }
  return steps
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldOf(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at, name) => (isRecord(at) ? at[name] : undefined), value)
}

function apply(step: Step, value: unknown): unknown[] {
  switch (step.type) {
    case 'field':
      return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
    case 'index': {
      const found = Array.isArray(value) ? value.at(step.at) : undefined
      return found === undefined ? [] : [found]
    }
    case 'all':
      return Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []
    case 'filter':
      return (Array.isArray(value) ? value : []).filter(
        (item: unknown) => (String(fieldOf(item, step.path)) === step.value) === (step.operator === '=='),
      )
  }
}

export function findAll(path: JsonPath, value: unknown): unknown[] {
  return path.reduce<unknown[]>((values, step) => values.flatMap((v) => apply(step, v)), [value])
}

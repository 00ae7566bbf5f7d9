/**
 * The JSONPath of printer columns: `.spec.replicas`, `.items[0].name`, `.items[0:2]`, `.conditions[?(@.type=="Ready")].status`,
 * `['quoted']`, `[*]`, `..anywhere`, escaped dots. Parsed once per column.
 */

type Step =
  | { type: 'field'; name: string }
  | { type: 'index'; at: number }
  | { type: 'slice'; from: number; to: number | undefined; step: number }
  | { type: 'descendants' }
  | { type: 'all' }
  | { type: 'filter'; path: string[]; operator: '==' | '!='; value: string }

export type JsonPath = readonly Step[]

const STEP = new RegExp(
  [
    String.raw`\.(?=\.)`,
    String.raw`\.((?:\\.|[^.[\]\\])+)`,
    String.raw`\[(-?\d+)\]`,
    String.raw`\[(-?\d*):(-?\d*)(?::(\d*))?\]`,
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
    const [whole, field, index, from, to, step, single, double, filter, operator, ...values] = match
    if (whole === '.*' || whole === '[*]') steps.push({ type: 'all' })
    else if (whole === '.') steps.push({ type: 'descendants' })
    else if (field !== undefined) steps.push({ type: 'field', name: field.replace(/\\(.)/g, '$1') })
    else if (index !== undefined) steps.push({ type: 'index', at: Number(index) })
    else if (from !== undefined) steps.push({ type: 'slice', from: Number(from), to: to ? Number(to) : undefined, step: Number(step) || 1 })
    else if (filter !== undefined) {
      steps.push({
        type: 'filter',
        path: filter.split('.'),
        operator: operator as '==' | '!=',
        value: values.find((v) => v !== undefined) ?? '',
      })
    } else {
      // What stands in quotes is read as if it stood behind a dot: its own dots divide it, unless they are escaped.
      const resumeAt = STEP.lastIndex
      const quoted = parseJsonPath(`.${single ?? double ?? ''}`)
      if (!quoted) return undefined
      steps.push(...quoted)
      STEP.lastIndex = resumeAt
    }
  }
  return steps
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function fieldOf(value: unknown, path: readonly string[]): unknown {
  return path.reduce((at, name) => (isRecord(at) ? at[name] : undefined), value)
}

/** Whatever has something in it, the outermost first. */
function descendants(values: readonly unknown[]): unknown[] {
  return values.flatMap((value) => {
    const inner: unknown[] = Array.isArray(value) ? value : isRecord(value) ? Object.values(value) : []
    return inner.length > 0 ? [value, ...descendants(inner)] : []
  })
}

function apply(step: Step, value: unknown): unknown[] {
  switch (step.type) {
    case 'field':
      return isRecord(value) && Object.hasOwn(value, step.name) ? [value[step.name]] : []
    case 'index': {
      const found = Array.isArray(value) ? value.at(step.at) : undefined
      return found === undefined ? [] : [found]
    }
    case 'slice':
      return Array.isArray(value) ? value.slice(step.from, step.to).filter((_, i) => i % step.step === 0) : []
    case 'descendants':
      return descendants([value])
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

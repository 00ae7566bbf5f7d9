/** Prometheus' text format, for metrics that are read from elsewhere at the moment somebody asks. Pure. */

export interface Metric {
  name: string
  type: 'counter' | 'gauge'
  help: string
  samples: readonly { labels?: Readonly<Record<string, string>>; value: number; atMs?: number }[]
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`)
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(
        ({ labels = {}, value, atMs }) => `${name}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${atMs}`}`,
      )
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
    })
    .join('')
}

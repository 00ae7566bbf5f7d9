/** Prometheus' text format, for metrics that are read from elsewhere at the moment somebody asks. Pure. */

type Labels = Readonly<Record<string, string | number>>

export interface Metric {
  name: string
  type: 'counter' | 'gauge' | 'histogram'
  help: string
  /** Those of a histogram have names of their own. */
  samples: readonly { metricName?: string; labels?: Labels; value: number; atMs?: number }[]
}

function labelText(labels: Labels): string {
  const pairs = Object.entries(labels).map(
    ([name, value]) => `${name}="${String(value).replace(/[\\"]/g, '\\$&').replaceAll('\n', '\\n')}"`,
  )
  return pairs.length > 0 ? `{${pairs.join(',')}}` : ''
}

export function renderMetrics(metrics: readonly Metric[]): string {
  return metrics
    .filter(({ samples }) => samples.length > 0)
    .map(({ name, type, help, samples }) => {
      const lines = samples.map(
        ({ metricName = name, labels = {}, value, atMs }) =>
          `${metricName}${labelText(labels)} ${value}${atMs === undefined ? '' : ` ${atMs}`}`,
      )
      return `# HELP ${name} ${help}\n# TYPE ${name} ${type}\n${lines.join('\n')}\n`
    })
    .join('')
}

import { setTimeout } from 'node:timers/promises'
import { getStatus, statusExitCode, type ClusterStatus, type WorkerStatus } from '../../cluster/status.ts'
import { clusterLayout, type ClusterLayout, type StatusPart } from '../../cluster/statusLayout.ts'
import { usageError } from '../../cluster/userError.ts'
import type { CliContext } from '../context.ts'

export interface StatusOptions {
  output: 'text' | 'json'
  layout: 'nodes' | 'cluster'
  /** A template of fields. */
  format?: string
  /** How often to look, in milliseconds; true for the default. */
  watch?: number | true
}

type Status = readonly [ClusterStatus, ...WorkerStatus[]]

const WATCH_EVERY_MS = 1_000

function block(node: ClusterStatus | WorkerStatus): string {
  const { Name, Host, Kubelet } = node
  const lines = [Name, `type: ${node.Worker ? 'Worker' : 'Control Plane'}`, `host: ${Host}`, `kubelet: ${Kubelet}`]
  if (!node.Worker) lines.push(`apiserver: ${node.APIServer}`, `kubeconfig: ${node.Kubeconfig}`)
  return `${lines.join('\n')}\n\n`
}

const FIELDS = ['Name', 'Host', 'Kubelet', 'APIServer', 'Kubeconfig', 'Worker']

/** The part of Go's templates that fields take: `{{.Host}}`. What a worker has not is empty. */
function filled(template: string, node: ClusterStatus | WorkerStatus): string {
  return template.replaceAll(/\{\{\s*(.*?)\s*\}\}/g, (_, expression: string) => {
    const field = expression.slice(1)
    if (!expression.startsWith('.') || !FIELDS.includes(field))
      throw usageError(`--format: {{${expression}}} is no field of a status`, `Fields: ${FIELDS.map((name) => `{{.${name}}}`).join(' ')}`)
    return String(node[field as keyof typeof node] ?? '')
  })
}

const said = ({ Name, StatusName, StatusCode }: StatusPart): string => `${Name}: ${StatusName} (${StatusCode})\n`

function layoutText({ Components, Nodes, ...cluster }: ClusterLayout): string {
  const parts = (components: Record<string, StatusPart>, indent: string): string =>
    Object.values(components)
      .map((component) => indent + said(component))
      .join('')
  return said(cluster) + parts(Components, '  ') + Nodes.map((node) => `  ${said(node)}${parts(node.Components, '    ')}`).join('')
}

/** Pure: what is printed. */
export function formatStatus(status: Status, { output, layout, format }: StatusOptions): string {
  if (format !== undefined) return status.map((node) => `${filled(format, node)}\n`).join('')
  const shown = layout === 'cluster' ? clusterLayout(status) : status.length > 1 ? status : status[0]
  if (output === 'json') return `${JSON.stringify(shown)}\n`
  return layout === 'cluster' ? layoutText(clusterLayout(status)) : status.map(block).join('')
}

/** With `watch` until Ctrl-C, which is its way to end. */
export async function status(options: StatusOptions, context: CliContext): Promise<void> {
  const { stdout, signal, env } = context
  const profile = await context.profile()
  let before = ''
  for (;;) {
    const found = await getStatus({ profile, env, signal })
    const text = formatStatus(found, options)
    if (text !== before) stdout.write(text)
    before = text
    context.exitCode = statusExitCode(found)
    if (options.watch === undefined) return
    await setTimeout(options.watch === true ? WATCH_EVERY_MS : options.watch, undefined, { signal })
  }
}

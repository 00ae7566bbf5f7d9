import { printable } from '../../base/printable.ts'
import { clusterTree, type ClusterTree, type ComponentHealth, type NodeTree } from '../../cluster/tree.ts'
import type { CliContext } from '../context.ts'

interface Branch {
  text: string
  children: readonly Branch[]
}

const leaf = (text: string): Branch => ({ text, children: [] })

function component({ name, state, restarts, lastError }: ComponentHealth): Branch {
  return leaf(`${name}  ${state}${restarts > 0 ? `, restarted ${restarts} times${lastError ? `: ${lastError}` : ''}` : ''}`)
}

function node({ name, image, ip, status, components, engineVersion, pods }: NodeTree, index: number): Branch {
  const podBranches = pods.map((pod) => ({
    text: `pod ${pod.namespace}/${pod.name}`,
    children: pod.containers.map((container) => leaf(`${container.name}  ${container.image}  ${container.status}`)),
  }))
  return {
    text: ['node container', `${name}  ${image}  ${ip}  ${status}`].join(' '),
    children: [
      ...(components.length > 0 ? [{ text: index === 0 ? 'control plane' : 'components', children: components.map(component) }] : []),
      ...(engineVersion === undefined ? [] : [{ text: `engine docker ${engineVersion}`, children: podBranches }]),
    ],
  }
}

function lines({ children }: Branch, indent: string): string[] {
  return children.flatMap((child, i) => {
    const last = i === children.length - 1
    return [`${indent}${last ? '└─ ' : '├─ '}${child.text}`, ...lines(child, `${indent}${last ? '   ' : '│  '}`)]
  })
}

export function formatTree({ engine, nodes }: ClusterTree): string {
  const root = { text: `engine ${engine.host} (${engine.source})`, children: nodes.map(node) }
  return printable(`${[root.text, ...lines(root, '')].join('\n')}\n`)
}

export async function tree({ output }: { output: 'text' | 'json' }, context: CliContext): Promise<void> {
  const found = await clusterTree({ profile: await context.profile(), signal: context.signal, env: context.env })
  context.stdout.write(output === 'json' ? `${JSON.stringify(found)}\n` : formatTree(found))
}

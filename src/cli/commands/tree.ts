import { printable } from '../../base/printable.ts'
import { clusterTree, type TreeNode } from '../../cluster/tree.ts'
import type { CliContext } from '../context.ts'

function lines({ children }: TreeNode, indent: string): string[] {
  return children.flatMap((child, i) => {
    const last = i === children.length - 1
    return [`${indent}${last ? '└─ ' : '├─ '}${child.text}`, ...lines(child, `${indent}${last ? '   ' : '│  '}`)]
  })
}

export async function tree(context: CliContext): Promise<void> {
  const root = await clusterTree({ profile: await context.profile(), signal: context.signal, env: context.env })
  context.stdout.write(printable(`${[root.text, ...lines(root, '')].join('\n')}\n`))
}

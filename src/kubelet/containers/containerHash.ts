/** What of a container's spec, once changed, means that the running container is replaced: its name and image. */
import { createHash } from 'node:crypto'
import type { Container } from '../../api/kinds/core/v1.ts'

export function containerHash(container: Pick<Container, 'name' | 'image'>): string {
  return createHash('sha256')
    .update(JSON.stringify([container.name, container.image]))
    .digest('hex')
    .slice(0, 16)
}

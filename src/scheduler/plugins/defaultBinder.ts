/** DefaultBinder: tells the API server which node a pod got. */
import { pods, type Pod } from '../../api/kinds/core/v1.ts'
import type { Client } from '../../client/client.ts'
import type { Plugin } from '../framework.ts'

export function newDefaultBinder(client: Client): Plugin {
  return {
    name: 'DefaultBinder',
    events: [],
    async bind({ metadata: { name, namespace, uid } }, nodeName, signal) {
      const binding = { apiVersion: 'v1', kind: 'Binding', metadata: { name, namespace, uid }, target: { kind: 'Node', name: nodeName } }
      await client.create<Pod, unknown>(pods, binding as unknown as Pod, { namespace, name, subresource: 'binding', signal })
    },
  }
}

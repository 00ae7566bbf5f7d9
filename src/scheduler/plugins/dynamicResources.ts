/** DynamicResources. */
import type { Plugin } from '../framework.ts'

export function newDynamicResources(): Plugin {
  return {
    name: 'DynamicResources',
    events: [],
    prepare: () => undefined,
    postFilter: () => ({ message: 'no new claims to deallocate' }),
  }
}

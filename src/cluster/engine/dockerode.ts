/**
 * dockerode without its ways to engines over SSH and to BuildKit's sessions over gRPC. minicube calls neither, and loading the
 * packages behind them takes longer than all the rest of a quick command.
 */
import { registerHooks } from 'node:module'
import type Docker from 'dockerode'

const WAYS_NOT_TAKEN = new Set(['ssh2', '@grpc/grpc-js', '@grpc/proto-loader'])
const ABSENT = 'minicube:absent'

export async function loadDockerode(): Promise<typeof Docker> {
  const hooks = registerHooks({
    resolve: (specifier, context, next) => (WAYS_NOT_TAKEN.has(specifier) ? { url: ABSENT, shortCircuit: true } : next(specifier, context)),
    load: (url, context, next) => (url === ABSENT ? { format: 'commonjs', source: '', shortCircuit: true } : next(url, context)),
  })
  try {
    return (await import('dockerode')).default
  } finally {
    hooks.deregister()
  }
}

import { aborted } from '../../base/abort.ts'
import { listServicePorts, openTunnel, waitForEndpoints, type ServicePort } from '../../cluster/service.ts'
import { UserError } from '../../cluster/userError.ts'
import type { CliContext } from '../context.ts'
import { formatTable } from '../table.ts'

const READY_TIMEOUT_MS = 120_000

const HEADER = ['NAMESPACE', 'NAME', 'TARGET PORT', 'URL']

const rows = (ports: readonly ServicePort[], urls: readonly string[]): string[][] =>
  ports.map((port, i) => [
    port.namespace,
    port.service,
    `${port.portName ? `${port.portName}/` : ''}${port.port}`,
    urls[i] || 'No node port',
  ])

/** Prints where a service answers. Where only a tunnel leads to it, the tunnel stays open until Ctrl-C. */
export async function service(name: string | undefined, options: { namespace: string; url?: boolean }, context: CliContext): Promise<void> {
  if (!name) return serviceList({ output: 'table' }, context)
  const at = { profile: await context.profile(), signal: context.signal, env: context.env }
  const { namespace } = options
  const ports = await listServicePorts({ ...at, namespace, name })
  if (ports.length === 0) {
    throw new UserError({
      area: 'SVC',
      sort: 'UNAVAILABLE',
      message: `Service "${name}" has no address of its own: it is headless, external or without TCP ports`,
      hint: `To look at it: minicube kubectl -- describe service ${name} --namespace ${namespace}`,
    })
  }
  await waitForEndpoints({ ...at, namespace, name, timeoutMs: READY_TIMEOUT_MS })
  const direct = ports.filter((port) => port.url)
  const shown = direct.length > 0 ? direct : ports
  const urls = direct.length > 0 ? direct.map((port) => port.url as string) : await tunnels(ports, context)
  context.stdout.write(options.url ? `${urls.join('\n')}\n` : formatTable(HEADER, rows(shown, urls)))
  if (direct.length > 0) return
  context.stderr.write('The addresses answer while this command runs. Press Ctrl-C to end it.\n')
  await aborted(context.signal)
}

async function tunnels(ports: readonly ServicePort[], context: CliContext): Promise<string[]> {
  const at = { profile: await context.profile(), signal: context.signal, env: context.env }
  const onError = (message: string): void => void context.stderr.write(`${message}\n`)
  const open = await Promise.all(ports.map(({ target }) => openTunnel({ ...at, target, onError })))
  return open.map(({ localPort }) => `http://127.0.0.1:${localPort}`)
}

export async function serviceList(
  { namespace, output }: { namespace?: string; output: 'table' | 'json' },
  context: CliContext,
): Promise<void> {
  const at = { profile: await context.profile(), signal: context.signal, env: context.env }
  const ports = await listServicePorts({ ...at, ...(namespace && { namespace }) })
  if (output === 'table') {
    context.stdout.write(
      formatTable(
        HEADER,
        rows(
          ports,
          ports.map((port) => port.url ?? ''),
        ),
      ),
    )
    return
  }
  const services = Map.groupBy(ports, (port) => `${port.namespace}/${port.service}`)
  const shown = [...services.values()].map((group) => ({
    Namespace: group[0]?.namespace,
    Name: group[0]?.service,
    URLs: group.flatMap((port) => port.url ?? []),
    PortNames: group.map((port) => `${port.portName ? `${port.portName}/` : ''}${port.port}`),
  }))
  context.stdout.write(`${JSON.stringify(shown)}\n`)
}

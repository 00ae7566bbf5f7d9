/** NodePorts: no two pods of a node want the same host port. */
import type { Pod } from '../../api/kinds/core/v1.ts'
import { FITS, refuses, type FilterPlugin } from '../framework.ts'

interface HostPort {
  ip: string
  protocol: string
  port: number
}

const ANY = '0.0.0.0'

function hostPorts({ spec }: Pod): HostPort[] {
  const sidecars = (spec.initContainers ?? []).filter((c) => c.restartPolicy === 'Always')
  return [...sidecars, ...spec.containers].flatMap((container) =>
    (container.ports ?? [])
      .filter((p) => p.hostPort)
      .map((p) => ({ ip: p.hostIP || ANY, protocol: p.protocol ?? 'TCP', port: p.hostPort as number })),
  )
}

const conflict = (a: HostPort, b: HostPort): boolean =>
  a.port === b.port && a.protocol === b.protocol && (a.ip === b.ip || a.ip === ANY || b.ip === ANY)

export const nodePortsFilter: FilterPlugin = {
  name: 'NodePorts',
  prepare(pod) {
    const wanted = hostPorts(pod)
    if (wanted.length === 0) return () => FITS
    return ({ pods }) => {
      const taken = pods.flatMap(hostPorts)
      const clash = wanted.some((port) => taken.some((other) => conflict(port, other)))
      return clash ? refuses("node(s) didn't have free ports for the requested pod ports", true) : FITS
    }
  },
}

/** A runtime whose calls are counted and timed, by the names of the Container Runtime Interface's operations. */
import type { Clock } from '../../base/clock.ts'
import type { Runtime } from '../runtime/runtime.ts'
import type { KubeletMeasures } from './measures.ts'

export function measuredRuntime(runtime: Runtime, measures: KubeletMeasures, clock: Pick<Clock, 'now'>): Runtime {
  async function timed<T>(operation_type: string, call: () => Promise<T>): Promise<T> {
    const startedMs = clock.now()
    measures.count('kubelet_runtime_operations_total', { operation_type })
    try {
      return await call()
    } catch (error) {
      measures.count('kubelet_runtime_operations_errors_total', { operation_type })
      throw error
    } finally {
      measures.observeSince('kubelet_runtime_operations_duration_seconds', startedMs, { operation_type })
    }
  }
  return {
    version: () => timed('version', () => runtime.version()),
    createSandbox: (...of) => timed('run_podsandbox', () => runtime.createSandbox(...of)),
    stopSandbox: (...of) => timed('stop_podsandbox', () => runtime.stopSandbox(...of)),
    removeSandbox: (...of) => timed('remove_podsandbox', () => runtime.removeSandbox(...of)),
    createContainer: (...of) => timed('create_container', () => runtime.createContainer(...of)),
    startContainer: (...of) => timed('start_container', () => runtime.startContainer(...of)),
    stopContainer: (...of) => timed('stop_container', () => runtime.stopContainer(...of)),
    removeContainer: (...of) => timed('remove_container', () => runtime.removeContainer(...of)),
    updateResources: (...of) => timed('update_container', () => runtime.updateResources(...of)),
    list: (...of) => timed('list_containers', () => runtime.list(...of)),
    images: () => timed('list_images', () => runtime.images()),
    imageStatus: (...of) => timed('image_status', () => runtime.imageStatus(...of)),
    pullImage: (...of) => timed('pull_image', () => runtime.pullImage(...of)),
    removeImage: (...of) => timed('remove_image', () => runtime.removeImage(...of)),
    mountImage: (...of) => runtime.mountImage(...of),
    exec: (...of) => timed('exec', () => runtime.exec(...of)),
    attach: (...of) => timed('attach', () => runtime.attach(...of)),
    dial: (...of) => timed('port_forward', () => runtime.dial(...of)),
    stats: (...of) => timed('container_stats', () => runtime.stats(...of)),
    diskUsage: (...of) => runtime.diskUsage(...of),
    logs: (...of) => runtime.logs(...of),
    events: (...of) => runtime.events(...of),
  }
}

/** The reference for pods: what the engine inside the node needs for the same containers when nobody but the bench asks it. */
import type Docker from 'dockerode'
import { loadDockerode } from '../../src/cluster/engine/dockerode.ts'
import { inspectNode } from '../e2e/engine.ts'
import type { Cluster } from '../e2e/minicube.ts'

export interface Shape {
  image: string
  command?: readonly string[]
  /** What is left to a container that is told to end, before it is killed. */
  graceSeconds: number
}

export class BareEngine {
  readonly #docker: Docker
  readonly #pauseImage: string

  private constructor(docker: Docker, pauseImage: string) {
    this.#docker = docker
    this.#pauseImage = pauseImage
  }

  static async of(cluster: Cluster, pauseImage: string): Promise<BareEngine> {
    const { pid } = await inspectNode(cluster)
    const DockerClass = await loadDockerode()
    return new BareEngine(new DockerClass({ socketPath: `/proc/${pid}/root/run/docker.sock` }), pauseImage)
  }

  /** A sandbox and a container that joins it, as `docker run` makes them: no link, no volumes, no probes, no record of them. */
  async run({ image, command }: Shape): Promise<Docker.Container[]> {
    const pause = await this.#docker.createContainer({ Image: this.#pauseImage, HostConfig: { NetworkMode: 'none' } })
    await pause.start()
    const main = await this.#docker.createContainer({
      Image: image,
      ...(command && { Cmd: [...command] }),
      HostConfig: { NetworkMode: `container:${pause.id}` },
    })
    await main.start()
    return [main, pause]
  }

  async end([main, pause]: readonly Docker.Container[], { graceSeconds }: Shape): Promise<void> {
    if (graceSeconds > 0) await main?.stop({ t: graceSeconds })
    await main?.remove({ force: true })
    await pause?.remove({ force: true })
  }

  /** The id by which the node knows the process of a pod's container. */
  async pidOf(podName: string): Promise<number> {
    const [container] = await this.#containersOf(podName)
    if (!container) throw new Error(`the engine has no container of ${podName}`)
    return (await container.inspect()).State.Pid
  }

  /** Begins to wait for the end of the pod's containers; the promise within is resolved when none of them runs any more. */
  async watchEnd(podName: string): Promise<{ ended: Promise<unknown> }> {
    const containers = await this.#containersOf(podName)
    return { ended: Promise.all(containers.map((container) => container.wait())) }
  }

  async #containersOf(podName: string): Promise<Docker.Container[]> {
    const filters = { label: [`io.minicube.pod.name=${podName}`, 'io.minicube.kind=container'] }
    return (await this.#docker.listContainers({ filters })).map(({ Id }) => this.#docker.getContainer(Id))
  }
}

/** For tests: a plain pod. */
import type { ContainerConfig, PodIdentity, SandboxConfig } from '../runtime.ts'

export const POD: PodIdentity = { podUid: 'u1', podName: 'p', podNamespace: 'default' }

export const SANDBOX: SandboxConfig = {
  ...POD,
  attempt: 0,
  hostname: 'p',
  network: 'pod',
  pidMode: 'container',
  ipcMode: 'pod',
  cgroupParent: '/kubepods/podu1',
  sysctls: {},
  seccomp: { type: 'RuntimeDefault' },
  privileged: false,
}

export const CONTAINER: ContainerConfig = {
  name: 'main',
  attempt: 3,
  imageId: 'sha256:abc',
  image: 'busybox',
  env: [],
  mounts: [],
  devices: [],
  resources: {},
  security: {
    privileged: false,
    readOnlyRootFilesystem: false,
    supplementalGroups: [],
    capabilitiesAdd: [],
    capabilitiesDrop: [],
    noNewPrivileges: false,
    seccomp: { type: 'Unconfined' },
    procMount: 'Default',
  },
  stdin: false,
  stdinOnce: false,
  tty: false,
  annotations: {},
}

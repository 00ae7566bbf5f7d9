/**
 * What people type who come from minikube, kind or k3d, and what it is called here. Only looked at once a command line was not
 * understood; the words are matched from its beginning, flags left out.
 */
const HABITS: readonly [words: string, instead: string][] = [
  ['create', 'minicube start --profile NAME'],
  ['cluster create', 'minicube start --profile NAME'],
  ['cluster start', 'minicube start --profile NAME'],
  ['cluster stop', 'minicube stop --profile NAME'],
  ['cluster delete', 'minicube delete --profile NAME'],
  ['cluster list', 'minicube profile list'],
  ['get clusters', 'minicube profile list'],
  ['get nodes', 'minicube kubectl -- get nodes'],
  ['get kubeconfig', 'kubectl config view --minify --flatten --context NAME'],
  ['get', 'minicube kubectl -- get'],
  ['apply', 'minicube kubectl -- apply'],
  ['kubeconfig', 'kubectl config view --minify --flatten --context NAME'],
  ['update-context', 'minicube start: it writes the kubeconfig anew'],
  ['node', 'minicube kubectl -- get nodes; nodes are added by minicube start --nodes N'],
  ['load', 'minicube image load NAME'],
  ['image import', 'minicube image load NAME'],
  ['cache', 'minicube image load NAME'],
  ['docker-env', 'minicube image build, or minicube image load NAME'],
  ['podman-env', 'minicube image build, or minicube image load NAME'],
  ['export', 'minicube logs'],
  ['tunnel', 'minicube service NAME: load balancers have addresses without a tunnel'],
  ['pause', 'minicube stop'],
  ['unpause', 'minicube start'],
  ['cp', 'minicube kubectl -- cp, or minicube ssh -- cat FILE'],
  ['config', 'the flags of minicube start: they are kept with the cluster'],
  ['start', 'minicube start --profile NAME'],
  ['stop', 'minicube stop --profile NAME'],
  ['delete', 'minicube delete --profile NAME'],
]

/** Undefined where nothing is known that comes near. */
export function instead(argv: readonly string[]): string | undefined {
  const line = `${argv.filter((word) => !word.startsWith('-')).join(' ')} `
  return HABITS.find(([words]) => line.startsWith(`${words} `))?.[1]
}

/** NodeName: a pod that names its node goes there or nowhere. */
import { FITS, refuses, type FilterPlugin } from '../framework.ts'

export const nodeNameFilter: FilterPlugin = {
  name: 'NodeName',
  prepare(pod) {
    const wanted = pod.spec.nodeName
    return ({ node }) => (!wanted || wanted === node.metadata.name ? FITS : refuses("node(s) didn't match the requested node name", false))
  },
}

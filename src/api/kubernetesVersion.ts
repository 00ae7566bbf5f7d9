/** The release whose behaviour, kinds and fields are served: what the API server and the kubelet say they are. */
export const KUBERNETES_VERSION = 'v1.36.2'

/** As OpenAPI documents name it. */
export const KUBERNETES_MINOR = KUBERNETES_VERSION.replace(/^v(\d+\.\d+).*/, '$1')

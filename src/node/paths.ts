/** Where things are inside a node container. */
export const STATE_DIR = '/var/lib/minicube'
export const ENGINE_SOCKET = '/run/docker.sock'
export const IMAGES_TAR = '/usr/lib/minicube/images.tar'
export const HEALTH_SOCKET = '/run/minicube/health.sock'
/** Where the default storage class keeps its volumes. */
export const VOLUMES_DIR = '/var/lib/minicube/volumes'

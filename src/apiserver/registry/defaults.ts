import type { CatalogResource } from '../../api/catalog/catalog.ts'
import type { KubeObject } from '../../api/resource.ts'

/** Fills in the defaults of the requested version. */
export function applyDefaults(_resource: CatalogResource, _object: KubeObject): void {
  // filled when the defaulting room is there
}

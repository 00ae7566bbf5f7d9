/** What is published of custom resources: the served versions of one group version, and the documents made of them. */
import type { CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { JsonObject } from '../../api/resource.ts'
import type { OpenApiDocument } from '../openapi/v3.ts'
import type { CustomResource } from './customResource.ts'

export interface PublishedVersion {
  resource: CustomResource
  definition: CustomResourceDefinition
}

export interface GroupVersion {
  group: string
  version: string
  resources: readonly PublishedVersion[]
  v3?: OpenApiDocument
  v2?: JsonObject
}

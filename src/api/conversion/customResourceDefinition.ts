/**
 * CustomResourceDefinitions as apiextensions.k8s.io/v1beta1 has them. Nobody is served that version any more; upstream's
 * server still stores it, and what all versions of a resource share stands beside them there.
 */
import type { JsonObject, JsonValue } from '../resource.ts'

const isObject = (value: JsonValue | undefined): value is JsonObject => typeof value === 'object' && value !== null && !Array.isArray(value)
const objectsOf = (value: JsonValue | undefined): JsonObject[] => (Array.isArray(value) ? value.filter(isObject) : [])

function columnToV1({ JSONPath: jsonPath, ...column }: JsonObject): JsonObject {
  return { ...column, ...(jsonPath !== undefined && { jsonPath }) }
}

function conversionToV1({ strategy, webhookClientConfig: clientConfig, conversionReviewVersions }: JsonObject): JsonObject {
  const webhook = { ...(clientConfig !== undefined && { clientConfig }), ...(conversionReviewVersions && { conversionReviewVersions }) }
  return { ...(strategy !== undefined && { strategy }), ...(strategy === 'Webhook' && { webhook }) }
}

export function definitionToV1(object: JsonObject): JsonObject {
  if (!isObject(object['spec'])) return object
  const {
    version,
    versions,
    validation,
    subresources,
    additionalPrinterColumns,
    selectableFields,
    preserveUnknownFields,
    conversion,
    ...spec
  } = object['spec']
  const given = objectsOf(versions)
  const all = given.length > 0 || version === undefined ? given : [{ name: version, served: true, storage: true }]
  const shared = {
    ...(validation !== undefined && { schema: validation }),
    ...(subresources !== undefined && { subresources }),
    ...(additionalPrinterColumns !== undefined && { additionalPrinterColumns }),
    ...(selectableFields !== undefined && { selectableFields }),
  }
  const versionToV1 = (each: JsonObject): JsonObject => {
    const { additionalPrinterColumns: columns, ...rest } = { ...shared, ...each }
    return { ...rest, ...(columns !== undefined && { additionalPrinterColumns: objectsOf(columns).map(columnToV1) }) }
  }
  return {
    ...object,
    spec: {
      ...spec,
      versions: all.map(versionToV1),
      ...(isObject(conversion) && { conversion: conversionToV1(conversion) }),
      ...(preserveUnknownFields === true && { preserveUnknownFields }),
    },
  }
}

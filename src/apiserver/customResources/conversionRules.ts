/** The rules of how a definition's versions are converted. Pure. */
import type { CustomResourceConversion, CustomResourceDefinition } from '../../api/kinds/apiextensions/v1.ts'
import type { FieldError } from '../../api/status.ts'
import { forbidden, invalid, notSupported, required } from '../../api/validation/fieldErrors.ts'
import { isDns1035Label } from '../../api/validation/names.ts'
import { checkWebhookService, checkWebhookUrl } from '../../api/validation/webhooks.ts'

const REVIEW_VERSIONS = ['v1', 'v1beta1']

export function oneOf(path: string, value: string | undefined, accepted: readonly string[]): FieldError[] {
  if (!value) return [required(path)]
  return accepted.includes(value) ? [] : [notSupported(path, value, accepted)]
}

export function validateConversion(conversion: CustomResourceConversion, old: CustomResourceDefinition | undefined): FieldError[] {
  const { strategy, webhook } = conversion
  const errors = oneOf('spec.conversion.strategy', strategy, ['None', 'Webhook'])
  const path = 'spec.conversion.webhookClientConfig'
  const versionsPath = 'spec.conversion.conversionReviewVersions'
  const versions = webhook?.conversionReviewVersions ?? []
  if (strategy !== 'Webhook') {
    if (webhook?.clientConfig) errors.push(forbidden(path, 'should not be set when strategy is not set to Webhook'))
    if (versions.length > 0) errors.push(forbidden(versionsPath, 'should not be set when strategy is not set to Webhook'))
    return errors
  }
  const config = webhook?.clientConfig
  if (!config) errors.push(required(path, 'required when strategy is set to Webhook'))
  else if ((config.url === undefined) === (config.service === undefined))
    errors.push(required(path, 'exactly one of url or service is required'))
  else if (config.url !== undefined) checkWebhookUrl(errors, config.url, `${path}.url`)
  else if (config.service) checkWebhookService(errors, config.service, `${path}.service`)
  const before = old?.spec.conversion?.webhook?.conversionReviewVersions
  const recognized = !before?.length || before.some((version) => REVIEW_VERSIONS.includes(version))
  return [...errors, ...validateReviewVersions(versions, recognized, versionsPath)]
}

function validateReviewVersions(versions: readonly string[], requireRecognized: boolean, path: string): FieldError[] {
  if (versions.length === 0) return [required(path)]
  const errors: FieldError[] = []
  for (const [i, version] of versions.entries()) {
    if (versions.indexOf(version) < i) errors.push(invalid(`${path}[${i}]`, version, 'duplicate version'))
    else errors.push(...isDns1035Label(version).map((why) => invalid(`${path}[${i}]`, version, why)))
  }
  if (requireRecognized && !versions.some((version) => REVIEW_VERSIONS.includes(version)))
    errors.push(invalid(path, versions, `must include at least one of ${REVIEW_VERSIONS.join(', ')}`))
  return errors
}

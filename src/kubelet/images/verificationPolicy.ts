/**
 * Of which images a pod has to prove, by its credentials, that it could have pulled them, though they are there already:
 * upstream's imagePullCredentialsVerificationPolicy.
 */
import type { KubeletConfiguration } from '../configuration.ts'
import { withoutTag } from './imageNames.ts'

export type VerificationPolicy = Pick<
  KubeletConfiguration,
  'imagePullCredentialsVerificationPolicy' | 'preloadedImagesVerificationAllowlist'
>

/** `registry/path/*` stands for all below it; any other pattern for the image that is named so. */
function isListed(image: string, patterns: readonly string[]): boolean {
  const name = withoutTag(image)
  return patterns.some((pattern) => (pattern.endsWith('/*') ? name.startsWith(pattern.slice(0, -1)) : name === pattern))
}

/** `wasPulled`: by the kubelet; any other was brought to the node, by a person or with it. */
export function mustVerify(
  { imagePullCredentialsVerificationPolicy: policy, preloadedImagesVerificationAllowlist: allowlist }: VerificationPolicy,
  image: string,
  wasPulled: boolean,
): boolean {
  switch (policy) {
    case 'NeverVerify':
      return false
    case 'NeverVerifyPreloadedImages':
      return wasPulled
    case 'NeverVerifyAllowlistedImages':
      return !isListed(image, allowlist)
    case 'AlwaysVerify':
      return true
  }
}

/** What the kubelet's options about images may be set to, with upstream's words for what is wrong. */

export const VERIFICATION_POLICIES = ['NeverVerify', 'NeverVerifyPreloadedImages', 'NeverVerifyAllowlistedImages', 'AlwaysVerify'] as const
export type CredentialsVerificationPolicy = (typeof VERIFICATION_POLICIES)[number]

interface ImageOptions {
  imagePullCredentialsVerificationPolicy?: string
  preloadedImagesVerificationAllowlist?: readonly string[]
}

interface Problem {
  message: string
  hint: string
}

const EXAMPLE = '--extra-config=kubelet.imagePullCredentialsVerificationPolicy=NeverVerifyAllowlistedImages'

/** An image without tag and digest, or `registry/path/*`; answers what is wrong with it. */
function patternProblem(pattern: string): string | undefined {
  const isPrefix = pattern.endsWith('/*')
  const plain = isPrefix ? pattern.slice(0, -1) : pattern
  if (plain.includes('*')) return `not a valid wildcard pattern, only patterns ending with '/*' are allowed: ${pattern}`
  if (plain === '/') return 'at least registry hostname is required'
  if (isPrefix) return undefined
  return /@|:[^/]*$/.test(plain) ? `neither tag nor digest is accepted in an image reference: ${pattern}` : undefined
}

export function imageOptionsProblem(options: ImageOptions): Problem | undefined {
  const { imagePullCredentialsVerificationPolicy: policy = 'NeverVerifyPreloadedImages', preloadedImagesVerificationAllowlist: list = [] } =
    options
  const policies: readonly string[] = VERIFICATION_POLICIES
  if (!policies.includes(policy))
    return {
      message: `invalid configuration: option "${policy}" specified for imagePullCredentialsVerificationPolicy. Valid options are "NeverVerify", "NeverVerifyPreloadedImages", "NeverVerifyAllowlistedImages" or "AlwaysVerify"`,
      hint: `For example: ${EXAMPLE}`,
    }
  if (list.length > 0 && policy !== 'NeverVerifyAllowlistedImages')
    return {
      message:
        'invalid configuration: can\'t set `preloadedImagesVerificationAllowlist` if `imagePullCredentialsVertificationPolicy` is not "NeverVerifyAllowlistedImages"',
      hint: `Add ${EXAMPLE}`,
    }
  const wrong = list.map(patternProblem).find((problem) => problem !== undefined)
  return wrong === undefined
    ? undefined
    : {
        message: `invalid configuration: invalid image pattern in \`preloadedImagesVerificationAllowlist\`: ${wrong}`,
        hint: 'For example: registry.example.com/team/* or registry.example.com/app',
      }
}

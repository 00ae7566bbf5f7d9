/** What the kubelet's options about images may be set to, with upstream's words for what is wrong. */

export const VERIFICATION_POLICIES = ['NeverVerify', 'NeverVerifyPreloadedImages', 'NeverVerifyAllowlistedImages', 'AlwaysVerify'] as const
export type CredentialsVerificationPolicy = (typeof VERIFICATION_POLICIES)[number]

/** Upstream's defaults. */
const DEFAULTS = { highPercent: 85, lowPercent: 80, minimumAgeMs: 120_000 }

interface ImageOptions {
  'image-gc-high-threshold'?: number
  'image-gc-low-threshold'?: number
  'minimum-image-ttl-duration'?: number
  imageMaximumGCAge?: number
  'serialize-image-pulls'?: boolean
  maxParallelImagePulls?: number
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

function verificationProblem(options: ImageOptions): Problem | undefined {
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

function collectionProblem(options: ImageOptions): Problem | undefined {
  const high = options['image-gc-high-threshold'] ?? DEFAULTS.highPercent
  const low = options['image-gc-low-threshold'] ?? DEFAULTS.lowPercent
  if (low >= high)
    return {
      message: `invalid configuration: imageGCLowThresholdPercent (--image-gc-low-threshold) ${low} must be less than imageGCHighThresholdPercent (--image-gc-high-threshold) ${high}`,
      hint: 'Images are removed from the high threshold on until the disk is below the low one; set both',
    }
  const minimumMs = options['minimum-image-ttl-duration'] ?? DEFAULTS.minimumAgeMs
  const { imageMaximumGCAge: maximumMs = 0 } = options
  if (maximumMs === 0 || maximumMs > minimumMs) return undefined
  return {
    message: `invalid configuration: imageMaximumGCAge ${maximumMs / 1000}s must be greater than imageMinimumGCAge ${minimumMs / 1000}s`,
    hint: 'For example: --extra-config=kubelet.imageMaximumGCAge=24h',
  }
}

function pullsProblem({ 'serialize-image-pulls': oneByOne = false, maxParallelImagePulls: most = 1 }: ImageOptions): Problem | undefined {
  if (!oneByOne || most === 1) return undefined
  return {
    message:
      'invalid configuration: maxParallelImagePulls cannot be larger than 1 unless SerializeImagePulls (--serialize-image-pulls) is set to false',
    hint: 'Leave kubelet.serializeImagePulls out',
  }
}

export function imageOptionsProblem(options: ImageOptions): Problem | undefined {
  return verificationProblem(options) ?? collectionProblem(options) ?? pullsProblem(options)
}

/** The label of IPAddress objects that stand for addresses of Services; others make their own. */
import type { IPAddress } from '../../../api/kinds/networking/v1.ts'

const MANAGED_BY = 'ipaddress.kubernetes.io/managed-by'
const ALLOCATOR = 'ipallocator.k8s.io'

export const ALLOCATED_LABELS = { [MANAGED_BY]: ALLOCATOR }

/** Made for a Service, by whoever allocates for them. */
export const isOfServices = ({ metadata }: IPAddress): boolean => metadata.labels?.[MANAGED_BY] === ALLOCATOR

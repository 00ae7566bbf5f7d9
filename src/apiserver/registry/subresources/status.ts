import { partOfObject } from './part.ts'
import type { SubresourceHandler } from '../registryCore.ts'

export const status: SubresourceHandler = (core, kind, request) => partOfObject(core, kind, request, { part: 'status' })

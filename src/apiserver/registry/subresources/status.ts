import { partOfObject } from './part.ts'
import type { SubresourceHandler } from './table.ts'

export const status: SubresourceHandler = (core, kind, request) => partOfObject(core, kind, request, { part: 'status' })

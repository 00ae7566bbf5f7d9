/** Protobuf as a client writes it, and then as a broken one would. */
import { loadCatalog } from '../../src/api/catalog/load.ts'
import { encodeProtobuf } from '../../src/api/codec/protobuf.ts'
import type { Operation } from './operations.ts'
import type { Random } from './random.ts'

const catalog = loadCatalog()
const DAMAGES_MAX = 6
/** A varint that is too long, a group, a length beyond any body, a field number of zero, text that is no UTF-8. */
const HOSTILE: readonly Buffer[] = [
  Buffer.alloc(11, 0xff),
  Buffer.of(0x0b),
  Buffer.of(0x0a, 0xff, 0xff, 0xff, 0xff, 0x07),
  Buffer.of(0x00),
  Buffer.of(0x0a, 0x02, 0xc3, 0x28),
]

function damaged(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length + 1)
  const [before, behind] = [bytes.subarray(0, at), bytes.subarray(at)]
  switch (random.below(6)) {
    case 0:
      return before
    case 1:
      return Buffer.concat([before, behind.subarray(1 + random.below(8))])
    case 2:
      return Buffer.concat([before, random.of(HOSTILE), behind])
    case 3:
      return Buffer.concat([before, behind.subarray(0, 40), behind])
    case 4:
      // One message in another, deeper than any type goes.
      return Buffer.concat([before, Buffer.alloc(2_000, 0x0a), behind])
    default:
      return Buffer.concat([before, Buffer.of(random.below(256)), behind.subarray(1)])
  }
}

/** Undefined where the object cannot be said in protobuf. */
export function protobufOf(kind: Operation['kind'], object: unknown, random: Random): Buffer | undefined {
  const type = kind && catalog.typeOfKind(kind)
  if (!type || typeof object !== 'object' || object === null) return undefined
  const { group, version, kind: name } = kind
  try {
    const typed = { ...object, apiVersion: group ? `${group}/${version}` : version, kind: name }
    let bytes: Buffer = Buffer.from(encodeProtobuf(typed, type))
    for (let left = random.below(DAMAGES_MAX + 1); left > 0; left--) bytes = damaged(bytes, random)
    return bytes
  } catch {
    return undefined
  }
}

/** Named formats: `format.dns1123Label().validate(name)`. */
import { isDns1035Label, isLabelValue, isQualifiedName, nameIsDnsLabel, nameIsDnsSubdomain } from '../../api/validation/names.ts'
import { ArrayList, NONE, OpaqueValue, OptionalValue } from '../values.ts'
import { func, member } from '../overloads.ts'
import { parseTimestamp } from './time.ts'
import { urlError } from '../../api/goUrl.ts'
import type { Overload } from '../overloads.ts'
import type { Value } from '../values.ts'

type Validate = (text: string) => string[]

class FormatValue extends OpaqueValue {
  readonly typeName = 'kubernetes.NamedFormat'
  readonly name: string
  readonly validate: Validate
  readonly #regexSize: number

  constructor(name: string, regexSize: number, validate: Validate) {
    super()
    this.name = name
    this.validate = validate
    this.#regexSize = regexSize
  }

  equals(other: OpaqueValue): boolean {
    return other instanceof FormatValue && other.name === this.name
  }

  override get sizeForCost(): number {
    return this.#regexSize
  }
}

/** A trailing dash may stand in a prefix, for something follows. */
const withoutTrailingDash = (text: string): string => (text.length > 1 && text.endsWith('-') ? `${text.slice(0, -1)}a` : text)

const matching =
  (test: (text: string) => boolean, message: string): Validate =>
  (text) =>
    test(text) ? [] : [message]

const UUID = /^[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}$/i
const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const DATE_TIME_PATTERN_SIZE = 103
const UUID_PATTERN_SIZE = 97

const isDate = (text: string): boolean => /^\d{4}-\d\d-\d\d$/.test(text) && parseTimestamp(`${text}T00:00:00Z`) !== undefined
const isDateTime = (text: string): boolean => parseTimestamp(text.toUpperCase()) !== undefined

const FORMATS: Readonly<Record<string, FormatValue>> = {
  dns1123Label: new FormatValue('DNS1123Label', 30, (text) => nameIsDnsLabel(text, false)),
  dns1123Subdomain: new FormatValue('DNS1123Subdomain', 60, (text) => nameIsDnsSubdomain(text, false)),
  dns1035Label: new FormatValue('DNS1035Label', 30, isDns1035Label),
  qualifiedName: new FormatValue('QualifiedName', 60, isQualifiedName),
  dns1123LabelPrefix: new FormatValue('DNS1123LabelPrefix', 30, (text) => nameIsDnsLabel(text, true)),
  dns1123SubdomainPrefix: new FormatValue('DNS1123SubdomainPrefix', 60, (text) => nameIsDnsSubdomain(text, true)),
  dns1035LabelPrefix: new FormatValue('DNS1035LabelPrefix', 30, (text) => isDns1035Label(withoutTrailingDash(text))),
  labelValue: new FormatValue('LabelValue', 40, isLabelValue),
  uri: new FormatValue('URI', 1103, (text) => {
    const error = urlError(text)
    return error === undefined ? [] : [error]
  }),
  uuid: new FormatValue(
    'uuid',
    UUID_PATTERN_SIZE,
    matching((text) => UUID.test(text), 'does not match the UUID format'),
  ),
  byte: new FormatValue(
    'byte',
    84,
    matching((text) => text !== '' && BASE64.test(text), 'invalid base64'),
  ),
  date: new FormatValue('date', DATE_TIME_PATTERN_SIZE, matching(isDate, 'invalid date')),
  datetime: new FormatValue('datetime', DATE_TIME_PATTERN_SIZE, matching(isDateTime, 'invalid datetime')),
}

const F = 'kubernetes.NamedFormat'

function validate(format: FormatValue, text: string): Value {
  const wrong = format.validate(text)
  return wrong.length === 0 ? NONE : new OptionalValue(new ArrayList(wrong))
}

export const NAMED_FORMATS: readonly Overload[] = [
  ...Object.entries(FORMATS).map(([name, format]) => func(`format.${name}`, `format.${name}`, '', F, () => format)),
  member('format-validate', 'validate', `${F}, string`, 'optional(list(string))', validate),
  func('format-named', 'format.named', 'string', `optional(${F})`, (name: string) =>
    Object.hasOwn(FORMATS, name) ? new OptionalValue(FORMATS[name]) : NONE,
  ),
]

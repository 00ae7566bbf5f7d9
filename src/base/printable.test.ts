import assert from 'node:assert/strict'
import { test } from 'node:test'
import { printable } from './printable.ts'

const cases: [string, string][] = [
  ['plain äöü 漢字 🙂\twith\nlines', 'plain äöü 漢字 🙂\twith\nlines'],
  ['\u001b]0;title\u0007', '\\x1b]0;title\\x07'],
  ['\u001b[2J\u001b[1;1H', '\\x1b[2J\\x1b[1;1H'],
  ['\u001b[91mred\u001b[0m\r\n', 'red\n'],
  ['over\rwritten', 'over\\x0dwritten'],
  ['\u009b31m', '\\x9b31m'],
  ['a\u202egnp.exe', 'a\\u202egnp.exe'],
]
for (const [text, want] of cases) test(`${JSON.stringify(text)} on a terminal`, () => assert.equal(printable(text), want))

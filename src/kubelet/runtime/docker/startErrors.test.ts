import assert from 'node:assert/strict'
import { test } from 'node:test'
import { startError } from './startErrors.ts'

const cases: [message: string, kind: 'exec' | 'create', want: string][] = [
  [
    'OCI runtime exec failed: executable file `x` not found in $PATH: No such file or directory: unknown',
    'exec',
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "x": executable file not found in $PATH: unknown',
  ],
  [
    'OCI runtime exec failed: executable file `/x$1` not found: No such file or directory: unknown',
    'exec',
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "/x$1": stat /x$1: no such file or directory: unknown',
  ],
  [
    'OCI runtime exec failed: the path `/etc/passwd` exists but it is not executable: Operation not permitted: unknown',
    'exec',
    'OCI runtime exec failed: exec failed: unable to start container process: exec: "/etc/passwd": permission denied: unknown',
  ],
  [
    'failed to create task for container: failed to create shim task: OCI runtime create failed: executable file `x` not found in $PATH: No such file or directory: unknown',
    'create',
    'failed to create task for container: failed to create shim task: OCI runtime create failed: runc create failed: unable to start container process: error during container init: exec: "x": executable file not found in $PATH: unknown',
  ],
  ['something else', 'exec', 'something else'],
]

for (const [message, kind, want] of cases) test(`${kind}: ${message.slice(0, 70)}`, () => assert.equal(startError(message, kind), want))

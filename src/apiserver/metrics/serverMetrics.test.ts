import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import type { AuditSink } from '../audit/audit.ts'
import { versionDocument } from '../transport/serverPaths.ts'
import { auditMetrics, buildMetrics } from './serverMetrics.ts'

test('which version runs here', async () => {
  const registry = new Registry()
  buildMetrics(registry, versionDocument({ gitVersion: 'v1.36.2', gitCommit: '', buildDate: '', platform: 'linux/amd64' }))
  assert.match(
    await registry.metrics(),
    /^kubernetes_build_info\{major="1",minor="36",git_version="v1\.36\.2",.*platform="linux\/amd64"\} 1$/m,
  )
})

test('requests by level, events, and what each backend lost', async () => {
  const registry = new Registry()
  const sink = (plugin: 'log' | 'webhook', lost: number): AuditSink => ({
    plugin,
    lost,
    written: 0,
    write: () => {},
    close: async () => {},
  })
  auditMetrics(registry, { events: 7, levels: new Map([['Metadata', 3]]), sinks: [sink('log', 0), sink('webhook', 2)] })
  const text = await registry.metrics()
  assert.match(text, /^apiserver_audit_level_total\{level="Metadata"\} 3$/m)
  assert.match(text, /^apiserver_audit_event_total 7$/m)
  assert.match(text, /^apiserver_audit_error_total\{plugin="webhook"\} 2$/m)
  assert.doesNotMatch(text, /plugin="log"/)
})

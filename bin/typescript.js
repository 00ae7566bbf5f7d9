// Node strips types by itself everywhere but below node_modules, which is where npm puts this package.
import { readFileSync } from 'node:fs'
import { registerHooks, stripTypeScriptTypes } from 'node:module'
import { fileURLToPath } from 'node:url'

const source = new URL('../src/', import.meta.url).href

if (source.includes('/node_modules/')) {
  registerHooks({
    load(url, context, nextLoad) {
      if (!url.startsWith(source) || !url.endsWith('.ts')) return nextLoad(url, context)
      return { format: 'module', shortCircuit: true, source: stripTypeScriptTypes(readFileSync(fileURLToPath(url), 'utf8')) }
    },
  })
}

/**
 * `minicube control-plane` by itself: the node half's program, run in this very process. The command line is not loaded for
 * it, because tests of operators start it often and wait for it each time.
 */
import { pathToFileURL } from 'node:url'
import { controlPlaneProgram } from '../cluster/controlPlaneBundle.ts'
import { ensureDescriptions } from '../cluster/nodeImage/descriptions.ts'

const given = process.argv.slice(2)
// Comfort only: a checkout that cannot be written to serves without.
const descriptions = await ensureDescriptions(new AbortController().signal).catch(() => undefined)
const program = await controlPlaneProgram(process.env)
process.argv = [process.execPath, program, ...(descriptions ? ['--descriptions', descriptions] : []), ...given]
await import(pathToFileURL(program).href)

/** The steps of `minicube start`, each with its way back. What was there before the command is never undone, only stopped again. */
import { BOOT_PHASES } from '../bootLog.ts'
import { bootStep } from './bootStep.ts'
import { createStep } from './createStep.ts'
import { engineStep } from './engineStep.ts'
import { imageStep } from './imageStep.ts'
import { kubeconfigStep } from './kubeconfigStep.ts'
import { planStep } from './planStep.ts'
import { apiStep, phaseStep } from './readySteps.ts'
import type { StartContext } from './startContext.ts'
import type { Step } from './steps.ts'
import { workersStep } from './workersStep.ts'

export function startSteps({ wait, workers }: { wait: boolean; workers: boolean }): Step<StartContext>[] {
  const phases = wait ? BOOT_PHASES.slice(BOOT_PHASES.indexOf('api') + 1) : []
  const first = [
    engineStep,
    imageStep,
    planStep,
    createStep,
    bootStep,
    phaseStep('engine'),
    apiStep,
    kubeconfigStep,
    ...phases.map(phaseStep),
  ]
  return workers ? [...first, workersStep] : first
}

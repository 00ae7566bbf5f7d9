/** Whether a device is what a selector asks for; expressions are compiled once. */
import type { DeviceSelector } from '../../api/kinds/resource/v1.ts'
import { compileDeviceSelector, selectsDevice } from '../../cel/deviceSelector.ts'
import type { Program } from '../../cel/program.ts'
import type { PoolDevice } from './pools.ts'

/** Expressions that were compiled last stay. */
const PROGRAMS_MAX = 100

export function deviceSelection(): (selector: DeviceSelector, device: PoolDevice) => boolean {
  const programs = new Map<string, Program>()
  const compiled = (expression: string): Program => {
    let program = programs.get(expression)
    if (!program) {
      program = compileDeviceSelector(expression)
      programs.set(expression, program)
      if (programs.size > PROGRAMS_MAX) programs.delete(programs.keys().next().value as string)
    }
    return program
  }
  return ({ cel }, { driver, device }) => cel !== undefined && selectsDevice(compiled(cel.expression), { driver, ...device })
}

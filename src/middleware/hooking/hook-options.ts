import { compile } from '../../hooks/compile.js'
import type { Hook } from '../../hooks/hook.js'
import { checkPoint } from '../../hooks/registry.js'
import { DECIDING, type HookOptions, TELLING } from './hook-points.js'

export type { HookOptions }

/** Whether a value has the shape of hooks by point. */
export function isHooks(value: unknown): boolean {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/**
 * Checks the hooks in the options.
 *
 * @throws SentinelError `hook.unknown`, `option.invalid`, `option.unknown`, `duration.invalid`.
 */
export function checkHooks(hooks: HookOptions | undefined): void {
  for (const [point, given] of Object.entries(hooks ?? {})) {
    checkPoint(point, { deciding: DECIDING, telling: TELLING })
    if (given === undefined) continue
    const all: readonly unknown[] = Array.isArray(given) ? given : [given]
    for (const hook of all) compile(hook as Hook<never>, point, point)
  }
}

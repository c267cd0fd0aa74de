import { badRequest } from '../world/refusal.js'
import type { UpdateKind } from '../world/updates.js'
import type { Call, Methods } from './call.js'
import { complaintAbout } from './schema/parameters.js'
import { type Problem, problemOfResult, problemOfUpdate } from './schema/results.js'
import type { MethodName } from './schema/schema.js'

/**
 * Runs a method between two checks against the types of the Bot API: of what it was given (a refusal, in Telegram's words), and
 * of what it answers, so that the embedded Telegram cannot drift from the real one unnoticed.
 *
 * @throws Refusal for parameters that are not what the method takes.
 * @throws Error for an answer that no Telegram would give: a defect of ours.
 */
export async function runChecked<Name extends MethodName>(
  method: Name,
  run: NonNullable<Methods[Name]>,
  call: Call,
): Promise<unknown> {
  const complaint = complaintAbout(method, call.params)
  if (complaint !== undefined) throw badRequest(complaint)
  const result: unknown = await run(call)
  // Updates are checked when they come up: what tests put in raw is theirs.
  const problem = method === 'getUpdates' ? undefined : problemOfResult(method, result)
  if (problem !== undefined)
    throw new Error(`${method} answers what Telegram would not: result${told(problem)}`)
  return result
}

/** Looks at every update. What it returns throws an Error for one that no Telegram would send. */
export function updateInspector(): (kind: UpdateKind, payload: unknown) => void {
  // A message goes out to every bot of its chat: once is enough.
  let latest: unknown
  return (kind, payload) => {
    if (latest === payload) return
    const problem = problemOfUpdate(kind, payload)
    if (problem !== undefined) throw new Error(`no Telegram sends such an update: ${kind}${told(problem)}`)
    latest = payload
  }
}

function told({ path, expected }: Problem): string {
  return `${path} should be ${expected}`
}

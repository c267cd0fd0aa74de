import { badRequest } from '../world/refusal.js'
import type { UpdateKind } from '../world/updates.js'
import type { Call, Methods } from './call.js'
import { complaintAbout } from './schema/parameters.js'
import { type Problem, problemOfResult, problemOfUpdate } from './schema/results.js'
import type { MethodName } from './schema/schema.js'

/**
 * Runs a method between two checks against the types of the Bot API: of its parameters (refused in Telegram's words), and of its
 * result, so that deviations from the real Telegram do not go unnoticed.
 *
 * @throws Refusal for invalid parameters.
 * @throws Error for a result that Telegram would not give, which is a bug of the embedded Telegram.
 */
export async function runChecked<Name extends MethodName>(
  method: Name,
  run: NonNullable<Methods[Name]>,
  call: Call,
): Promise<unknown> {
  const complaint = complaintAbout(method, call.params)
  if (complaint !== undefined) throw badRequest(complaint)
  const result: unknown = await run(call)
  // Updates are checked when they are created; raw updates from tests are deliberately not checked.
  const problem = method === 'getUpdates' ? undefined : problemOfResult(method, result)
  if (problem !== undefined)
    throw new Error(`${method} returns what Telegram would not: result${told(problem)}`)
  return result
}

/** Creates a function that checks every update and throws an Error for one that Telegram would not send. */
export function updateInspector(): (kind: UpdateKind, payload: unknown) => void {
  // The same message object goes to every bot of a chat, so it is checked only once.
  let latest: unknown
  return (kind, payload) => {
    if (latest === payload) return
    const problem = problemOfUpdate(kind, payload)
    if (problem !== undefined) throw new Error(`Telegram never sends such an update: ${kind}${told(problem)}`)
    latest = payload
  }
}

function told({ path, expected }: Problem): string {
  return `${path} should be ${expected}`
}

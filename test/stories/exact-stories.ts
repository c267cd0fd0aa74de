import fc from 'fast-check'
import { who } from './cast.js'
import { exactOptions } from './exact-options.js'
import { anyStep, type ExactStep, type ExactStory, type HandlerDoes, worker } from './exact-steps.js'

/* Whole stories. Between steps that do not depend on each other there are scenes, whose later steps make the most of the earlier ones. */

type ActStep = ExactStep & { readonly do: 'act' }

const times = fc.constantFrom(1, 2, 6)
const button = fc.constantFrom('A' as const, 'B' as const)

function act(act: ActStep['act'], worker: number, handler: HandlerDoes = 'nothing'): ActStep {
  return { do: 'act', act, handler, worker, simulated: false }
}

/** The payer is blocked while the payment is under way. Whatever was paid must reach the bot. */
const blockedPayer = fc
  .record({
    who,
    worker,
    next: fc.constantFrom('gets the money back' as const, 'buys paid media' as const, 'subscribes' as const),
    isUnblocked: fc.boolean(),
  })
  .map(({ who, worker, next, isUnblocked }): readonly ExactStep[] => [
    { ...act({ does: 'pays', who }, worker), isPaidLater: true },
    { do: 'block', whom: who, for: undefined, worker },
    act({ does: next, who }, worker),
    ...(isUnblocked ? [{ do: 'unblock', whom: who, for: undefined, worker } as const] : []),
  ])

/** The bot's own chat with a person has the same id as the person's chat with the business. */
const sameChatId = fc
  .record({ who, worker, times, button, edits: fc.boolean() })
  .map(({ who, worker, times, button, edits }): readonly ExactStep[] => [
    act({ does: 'says', who, where: 'private', text: 'one', times }, worker),
    act({ does: 'taps at a business', who, button }, worker),
    act({ does: edits ? 'edits at a business' : 'writes to a business', who, text: 'two' }, worker),
    act({ does: 'says', who, where: 'private', text: '/buy', times: 1 }, worker),
  ])

/** Something fails, and Telegram delivers it again after somebody has done more. */
const redelivered = fc
  .record({ who, first: worker, second: worker, text: fc.constantFrom('/buy', '/sell', 'three') })
  .map(({ who, first, second, text }): readonly ExactStep[] => [
    act({ does: 'says', who, where: 'private', text, times: 1 }, first, 'throw'),
    { do: 'redeliver', which: 4, handler: 'nothing', worker: second },
    act({ does: 'says', who, where: 'private', text, times: 1 }, first, 'refund'),
  ])

const steps: fc.Arbitrary<readonly ExactStep[]> = fc.oneof(
  { weight: 22, arbitrary: anyStep.map((step) => [step]) },
  { weight: 1, arbitrary: blockedPayer },
  { weight: 1, arbitrary: sameChatId },
  { weight: 1, arbitrary: redelivered },
)

export const exactStories: fc.Arbitrary<ExactStory> = fc.record({
  options: exactOptions,
  steps: fc.array(steps, { minLength: 5, maxLength: 60, size: 'max' }).map((each) => each.flat()),
})

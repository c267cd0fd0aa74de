import type { Context } from 'grammy'
import { type BeforeEvent, type Hook, hooks, type SentinelFlavor, sentinel } from '../../src/index.js'

type MyContext = Context & SentinelFlavor & { tenant?: string }
const guard = sentinel<MyContext>()

// Hooks at points of decision may return an answer, synchronously or not.
guard.hook('before:throttle', ({ ctx, facts, enriched }, { signal }) => {
  ctx.tenant = String(enriched.tenant)
  return signal.aborted || facts.inGroup ? { veto: 'no' } : undefined
})
guard.hook('after:throttle', async ({ verdict }) =>
  verdict.allowed ? { enrich: { seen: true } } : undefined,
)
guard.hook('allowed', () => undefined)
guard.hook('before:block', { name: 'named', timeout: '5s', run: () => ({ veto: 'no' }) })
guard.hook('membership.joined', ({ member, event }) => console.log(member.id, event satisfies 'joined'))

// @ts-expect-error Unknown point.
guard.hook('before:throtle', () => undefined)
// @ts-expect-error There are no hooks for hook events.
guard.hook('hook.ran', () => undefined)
// @ts-expect-error Events after the decision cannot be vetoed.
guard.hook('denied', () => ({ veto: 'no' }))
// @ts-expect-error There is no verdict yet.
guard.hook('before:throttle', ({ verdict }) => void verdict)
// @ts-expect-error The note of a veto is a text.
guard.hook('before:throttle', () => ({ veto: 5 }))
const veto = (): { veto: string } => ({ veto: 'no' })
// @ts-expect-error Background hooks cannot return an answer.
hooks.background<BeforeEvent>(veto)
const later = async (): Promise<boolean> => true
// @ts-expect-error Conditions must be synchronous.
hooks.filter<BeforeEvent>(later, veto)

const strict: Hook<BeforeEvent> = hooks.chain(
  hooks.once(() => undefined),
  hooks.filter(
    ({ facts }: BeforeEvent) => facts.inGroup,
    () => ({ veto: 'no' }),
  ),
  hooks.parallel(
    async () => ({ enrich: { a: 1 } }),
    hooks.background(async () => undefined),
  ),
)
guard.hook('before:once', strict)
sentinel({
  hooks: { 'before:once': [strict, () => undefined], denied: ({ verdict }) => console.log(verdict.guard) },
})
// @ts-expect-error Unknown point.
sentinel({ hooks: { denid: () => undefined } })

// @ts-expect-error Unknown event.
guard.on('denyed', () => undefined)

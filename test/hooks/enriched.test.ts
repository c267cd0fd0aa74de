import { on, opened } from './hooked.js'

describe('data that a hook adds', () => {
  test('are seen by later hooks and the handler; the later value of a name wins', async () => {
    const seen: unknown[] = []
    opened({}, (bot) => bot.use((ctx) => void seen.push({ ...ctx.sentinel.enriched })))
    on.guard.hook('before:block', async () => ({ enrich: { tenant: 7, plan: 'free' } }))
    on.guard.hook('before:throttle', ({ enriched }) => void seen.push({ ...enriched }))
    on.guard.hook('after:throttle', () => ({ enrich: { plan: 'paid' } }))
    await on.says(1, 'a')
    expect(seen).toEqual([
      { tenant: 7, plan: 'free' },
      { tenant: 7, plan: 'paid' },
    ])
  })

  test('belong to one update, and their names cannot overwrite anything else', async () => {
    const seen: Readonly<Record<string, unknown>>[] = []
    opened({}, (bot) => bot.use((ctx) => void seen.push(ctx.sentinel.enriched)))
    const given = JSON.parse('{"__proto__":{"admin":true},"constructor":1}') as Record<string, unknown>
    const stop = on.guard.hook('before:block', () => ({ enrich: given }))
    await on.says(1, 'a')
    stop()
    await on.says(1, 'b')
    expect(Object.keys(seen[0] ?? {})).toEqual(['__proto__', 'constructor'])
    expect(seen[0]?.admin).toBeUndefined()
    expect(Object.keys(seen[1] ?? {})).toEqual([])
  })
})

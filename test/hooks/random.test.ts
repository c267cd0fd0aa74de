import fc from 'fast-check'
import { type Hook, hooks } from '../../src/index.js'
import { desk, says, tick } from '../sentinel/desk.js'

/** What a hook does, at once or later. */
type Deed = 'pass' | 'throw' | 'hang' | 'veto' | 'enrich'
interface Leaf {
  readonly deed: Deed
  /** Ticks until it acts; 0: at once, without a promise. Beyond a second it is too late. */
  readonly after: number
}
type Plant =
  | Leaf
  | { readonly chain: readonly Plant[] }
  | { readonly filter: boolean; readonly plant: Plant }
  | { readonly background: Leaf }

const POINTS = [
  'before:block',
  'before:once',
  'before:throttle',
  'after:block',
  'after:once',
  'after:throttle',
  'allowed',
] as const
type Point = (typeof POINTS)[number]

const leaf: fc.Arbitrary<Leaf> = fc.record({
  deed: fc.constantFrom('pass', 'pass', 'enrich', 'throw', 'hang', 'veto'),
  after: fc.constantFrom(0, 0, 100, 900, 1500),
})
const { plant } = fc.letrec<{ plant: Plant }>((tie) => ({
  plant: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.record({ chain: fc.array(tie('plant'), { maxLength: 3 }) }),
    fc.record({ filter: fc.boolean(), plant: tie('plant') }),
    fc.record({ background: leaf }),
  ),
}))
const planted = fc.array(fc.record({ point: fc.constantFrom(...POINTS), plant }), { maxLength: 8 })

/** A simple model: which hooks run, in order, and whether one vetoes. */
class Model {
  readonly log: string[] = []
  readonly enriched = new Set<string>()

  constructor(private readonly hooks: readonly { readonly point: Point; readonly plant: Plant }[]) {}

  /** Whether a hook of this point vetoes. */
  reaches(point: Point): boolean {
    return this.hooks.some((hook, i) => hook.point === point && this.vetoes(hook.plant, `${point} ${i}`))
  }

  private vetoes(one: Plant, name: string): boolean {
    if ('chain' in one) return one.chain.some((inner, i) => this.vetoes(inner, `${name}.${i}`))
    if ('filter' in one) return one.filter && this.vetoes(one.plant, `${name}?`)
    if ('background' in one) {
      this.log.push(`${name}~`)
      return false
    }
    this.log.push(name)
    const inTime = one.after <= 900
    if (inTime && one.deed === 'enrich') this.enriched.add(name)
    return inTime && one.deed === 'veto'
  }
}

test('with random hooks: they run in order up to a veto, and none breaks the update', async () => {
  await fc.assert(
    fc.asyncProperty(planted, fc.integer({ min: 1, max: 4 }), async (all, updates) => {
      const seen: string[][] = []
      const on = desk({ throttle: { limit: '2/52w', deny: 'silent' } }, (bot) =>
        bot.use((ctx) => void seen.push(Object.keys(ctx.sentinel.enriched).toSorted())),
      )
      on.guard.on('error', () => undefined)
      const log: string[] = []
      const grown = (one: Plant, name: string): Hook<unknown> => {
        if ('chain' in one) return hooks.chain(...one.chain.map((inner, i) => grown(inner, `${name}.${i}`)))
        if ('filter' in one) return hooks.filter(() => one.filter, grown(one.plant, `${name}?`))
        if ('background' in one)
          return hooks.background(grown(one.background, `${name}~`) as Hook<unknown, never>)
        return () => {
          log.push(name)
          if (one.deed === 'hang') return new Promise<undefined>(() => undefined)
          const act = () => {
            if (one.deed === 'throw') throw new Error('boom')
            if (one.deed === 'veto') return { veto: name }
            return one.deed === 'enrich' ? { enrich: { [name]: 1 } } : undefined
          }
          if (one.after === 0) return act()
          return new Promise<void>((done) => on.time.timers.after(one.after, done)).then(act)
        }
      }
      all.forEach(({ point, plant: one }, i) => {
        on.guard.hook(point, grown(one, `${point} ${i}`))
      })

      let left = 2
      const expected: string[][] = []
      for (let i = 0; i < updates; i++) {
        log.length = 0
        let done = false
        const handled = on.handle(says(1, `message ${i}`)).then(() => {
          done = true
        })
        // Long enough for all hooks to time out one after the other.
        for (let step = 0; !done && step < 500; step++) {
          await tick()
          on.time.advance(100)
        }
        await handled

        const model = new Model(all)
        const vetoed = ['before:block', 'before:once', 'before:throttle'].some((point) =>
          model.reaches(point as Point),
        )
        if (!vetoed && left === 0) for (const point of POINTS.slice(3, 6)) model.reaches(point)
        else if (!vetoed && !POINTS.slice(3).some((point) => model.reaches(point))) {
          left--
          expected.push([...model.enriched].toSorted())
        }
        expect(log).toEqual(model.log)
      }
      expect(seen).toEqual(expected)
      const closed = on.guard.close()
      // Hooks that hang in the background time out, too.
      await tick()
      on.time.advance(2000)
      await closed
    }),
    { numRuns: 60 },
  )
})

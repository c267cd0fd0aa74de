import fc from 'fast-check'
import { isPromise } from '../../src/core/check.js'
import { userKey } from '../../src/core/subject.js'
import { type NoPlace, type Place, Places } from '../../src/middleware/concurrency/places.js'
import { Stage } from './rig.js'

const OPTIONS = { most: 2, queue: 3, maxWait: 500, deadline: 800, maxWaiting: 5, maxSubjects: 100 }
const SUBJECTS = [1, 2, 3]

type Step =
  | { readonly do: 'come'; readonly subject: number }
  | { readonly do: 'leave'; readonly which: number }
  | { readonly do: 'pass'; readonly ms: number }

const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({ do: fc.constant('come' as const), subject: fc.constantFrom(...SUBJECTS) }),
  },
  { weight: 3, arbitrary: fc.record({ do: fc.constant('leave' as const), which: fc.nat(20) }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant('pass' as const), ms: fc.integer({ min: 1, max: 900 }) }),
  },
)

interface Comer {
  readonly id: number
  readonly subject: number
  readonly came: number
  state: 'working' | 'overdue' | 'waiting' | 'refused' | 'gone'
  began: number
}

/** A simple model: everything is searched in one list, millisecond by millisecond. */
class Model {
  readonly all: Comer[] = []
  /** Updates that were reported as running for too long. */
  readonly overdue: number[] = []
  now = 0

  come(subject: number): Comer {
    const comer: Comer = { id: this.all.length, subject, came: this.now, state: 'waiting', began: 0 }
    this.all.push(comer)
    const working = this.of('working').filter((other) => other.subject === subject)
    if (working.length >= OPTIONS.most) this.turnOut(subject)
    this.letIn(subject)
    if (comer.state === 'waiting') {
      const others = this.of('waiting').filter(({ id }) => id !== comer.id)
      const before = others.filter((other) => other.subject === subject).length
      if (before >= OPTIONS.queue || others.length >= OPTIONS.maxWaiting) comer.state = 'refused'
    }
    return comer
  }

  leave(comer: Comer): void {
    const counted = comer.state === 'working'
    comer.state = 'gone'
    if (counted) this.letIn(comer.subject)
  }

  pass(ms: number): void {
    for (const end = this.now + ms; this.now < end; ) {
      this.now++
      for (const comer of this.of('waiting')) {
        // Timers of the same moment fire in the order in which they were set, and the timer of a wait is set first.
        if (comer.state === 'waiting' && comer.came + OPTIONS.maxWait === this.now) this.expire(comer)
      }
      for (const subject of SUBJECTS) {
        if (this.of('waiting').some((comer) => comer.subject === subject)) {
          this.turnOut(subject)
          this.letIn(subject)
        }
      }
    }
  }

  of(state: Comer['state']): Comer[] {
    return this.all.filter((comer) => comer.state === state)
  }

  private expire(comer: Comer): void {
    const late = this.of('working').some(
      (other) => other.subject === comer.subject && other.began + OPTIONS.deadline <= this.now,
    )
    // If a place is freed at the very end of the wait, the result depends on which timer fires first: both are right.
    comer.state = late ? 'waiting' : 'refused'
  }

  private turnOut(subject: number): void {
    for (const comer of this.of('working')) {
      if (comer.subject !== subject || comer.began + OPTIONS.deadline > this.now) continue
      comer.state = 'overdue'
      this.overdue.push(comer.id)
    }
  }

  private letIn(subject: number): void {
    for (const comer of this.of('waiting').filter((other) => other.subject === subject)) {
      if (this.of('working').filter((other) => other.subject === subject).length >= OPTIONS.most) return
      comer.state = 'working'
      comer.began = this.now
    }
  }
}

test('with random schedules, places are assigned like in a reference model', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 60 }), async (steps) => {
      const time = new Stage()
      const start = time.now
      const model = new Model()
      const overdue: number[] = []
      const places = new Places<number>({
        ...OPTIONS,
        clock: time.clock,
        timers: time.timers,
        overdue: (id) => overdue.push(id),
      })
      const given = new Map<number, Place | NoPlace>()
      const settle = async (): Promise<void> => {
        for (let i = 0; i < 10; i++) await undefined
      }
      for (const next of steps) {
        if (next.do === 'come') {
          const { id } = model.come(next.subject)
          const taken = places.take(1, userKey(next.subject), id)
          if (isPromise(taken)) void taken.then((place) => given.set(id, place))
          else given.set(id, taken)
        } else if (next.do === 'leave') {
          const working = model.all.filter(({ state }) => state === 'working' || state === 'overdue')
          const comer = working[next.which % Math.max(1, working.length)]
          if (comer === undefined) continue
          model.leave(comer)
          const place = given.get(comer.id) as Place
          place.leave()
          place.leave()
        } else {
          for (let i = 0; i < next.ms; i++) {
            time.advance(1)
            model.pass(1)
          }
        }
        await settle()
        expect(time.now - start).toBe(model.now)
        for (const comer of model.all) {
          const place = given.get(comer.id)
          const state = place === undefined ? 'waiting' : 'leave' in place ? 'in' : 'refused'
          const wanted = comer.state === 'waiting' || comer.state === 'refused' ? comer.state : 'in'
          expect([comer.id, state]).toEqual([comer.id, wanted])
        }
        expect(places.waiting).toBe(model.of('waiting').length)
        expect(overdue.toSorted()).toEqual(model.overdue.toSorted())
      }
      for (const comer of model.all) {
        const place = given.get(comer.id)
        if (place !== undefined && 'leave' in place) place.leave()
      }
      time.advance(10_000)
      await settle()
      for (const place of given.values()) if ('leave' in place) place.leave()
      await settle()
      for (const place of given.values()) if ('leave' in place) place.leave()
      expect([places.waiting, places.size]).toEqual([0, 0])
    }),
    { numRuns: 150 },
  )
})

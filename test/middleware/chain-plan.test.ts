import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import type { Context } from 'grammy'
import { describe as factsOf } from '../../src/core/facts.js'
import { throttle } from '../../src/index.js'
import { ChainPlan } from '../../src/middleware/chain/chain-plan.js'
import { createServices } from '../../src/middleware/services.js'
import { says, tick } from '../sentinel/desk.js'

/* The costs of an update, as a list. Storages compare lists by identity, so equal lists are shared and cached. */

/** Runs the garbage collector. */
const collect = ((): (() => void) => {
  setFlagsFromString('--expose-gc')
  return runInNewContext('gc')
})()

/** Two limits, behind the claim of albums: the first has the given cost; the second costs nothing. */
function costsWith(cost: () => number): () => readonly number[] {
  const guards = [
    throttle({ name: 'first', limit: '9/1m', on: ['message'], cost }),
    throttle({ name: 'second', limit: '9/1m', on: ['message'], cost: () => 0 }),
  ]
  const plan = new ChainPlan(
    createServices({}),
    guards.flatMap(({ definitions }) => definitions),
  )
  return () => {
    const update = says(7, 'hello')
    const ask = plan.askFor(factsOf(update), { update } as Context, 42, 0)
    return ask?.costs ?? []
  }
}

test('equal costs share one list', () => {
  const costs = costsWith(() => 1)
  expect(costs()).toEqual([0, 1, 0])
  expect(costs()).toBe(costs())
})

test('with ever-changing costs only a few hundred lists are kept', async () => {
  let nth = 0
  const costs = costsWith(() => 1 / ++nth)
  const seen = Array.from({ length: 2000 }, () => new WeakRef(costs()))
  // A weak reference holds its object until the turn ends.
  await tick()
  collect()
  expect(seen.filter((ref) => ref.deref() !== undefined).length).toBeLessThanOrEqual(300)
  expect(costs()).toEqual([0, 1 / 2001, 0])
})

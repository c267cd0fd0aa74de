import type { AuthOptions } from '../../src/index.js'
import { memory } from '../../src/storage/memory/memory.js'
import { desk } from '../sentinel/desk.js'

/* A storage that can decide, but cannot read what an earlier positive answer of a resolver stored. */

const ALICE = 7

/** A sentinel whose resolver admits everybody, as a customer. */
function resolving(onFailure: AuthOptions['onFailure']) {
  const storage = memory()
  const marks = Object.create(storage.marks, {
    get: { value: () => Promise.reject(new Error('the marks cannot be read')) },
  })
  const identities: unknown[] = []
  const at = desk(
    {
      storage: Object.create(storage, { marks: { value: marks } }),
      auth: {
        registration: 'auto',
        resolve: () => ({ allow: true, value: 'customer' }),
        ...(onFailure !== undefined && { onFailure }),
      },
    },
    (bot) => bot.use((ctx) => void identities.push(ctx.sentinel.identity)),
  )
  const told: string[] = []
  at.guard.on('error', ({ during }) => told.push(during))
  return { ...at, identities, told }
}

test.each([undefined, 'closed', 'local'] as const)(
  'refuses users whose registration cannot be read, with onFailure: %s',
  async (onFailure) => {
    const { says, reached, told } = resolving(onFailure)
    await says(ALICE, 'asked', 'remembered')
    expect(reached).toEqual(['asked'])
    expect(told).toHaveLength(1)
  },
)

test('admits users whose registration cannot be read, with onFailure: open', async () => {
  const { says, identities, told } = resolving('open')
  await says(ALICE, 'asked', 'remembered')
  expect(identities).toStrictEqual(['customer', undefined])
  expect(told).toEqual(['auth.resolve'])
})

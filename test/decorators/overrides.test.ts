import { type Desk, desk } from '../sentinel/desk.js'
import { COMPILERS, compiled } from './compilers.js'

type Overrides = typeof import('./overrides.js')

const ALICE = 7
const ADMIN = 8

describe.each(Object.entries(COMPILERS))('overridden fields, compiled by %s', (name, compiler) => {
  let file: Overrides
  let stand: Desk
  beforeEach(() => {
    file = compiled<Overrides>('test/decorators/overrides.ts', compiler)
  })
  afterEach(() => stand?.guard.close())

  async function heard(made: { readonly log: string[] }, who: number, ...texts: string[]): Promise<string[]> {
    stand = desk({ throttle: false }, (bot) => bot.use(file.handlers(made)))
    await stand.guard.grant(ADMIN, 'admin')
    await stand.says(who, ...texts)
    return made.log
  }

  test('an override without decorators is never open to everybody', async () => {
    let log: string[]
    try {
      log = await heard(new file.Careless(), ALICE, '/ban')
    } catch (error) {
      // Standard decorators detect the override; legacy decorators keep the guards.
      expect(error).toMatchObject({
        code: 'handler.undecorated',
        message: expect.stringContaining('Careless.ban overrides the handler of command:ban'),
      })
      return
    }
    expect(log).toEqual([])
  })

  test('a decorated override replaces the registrations and guards of the base class', async () => {
    expect(await heard(new file.Other(), ALICE, '/ban', '/kick', '/kick')).toEqual(['Other kicks'])
  })

  test('a field that the constructor binds keeps its guards', async () => {
    expect(await heard(new file.Bound(), ALICE, '/ban', '/count')).toEqual(['Desk counts'])
    await stand.guard.close()
    expect(await heard(new file.Bound(), ADMIN, '/ban', '/count')).toEqual(['Desk bans', 'Desk counts'])
  })

  test.each([
    'a field in the place of a method',
    'a field in the place of a method whose guard is outermost',
    'a getter in the place of a method',
    'a function assigned in the constructor, in place of a method',
    'a field in the place of one whose guard is outermost',
    'a function assigned in the constructor, in place of a field',
  ] as const)('an override is not open: %s', async (what) => {
    let log: readonly string[] = []
    try {
      log = await heard(file.LOST[what](), ALICE, '/ban', '/kick')
    } catch (error) {
      expect(error).toMatchObject({ code: 'handler.undecorated' })
    }
    expect(log).toEqual([])
  })

  test('a custom decorator around a registrar of the override is accepted', async () => {
    expect(await heard(new file.Loud(), ALICE, '/ban', '/shout')).toEqual(['Loud shouts'])
  })

  test.each([
    ['a class', 'Wrapping'],
    ['a class that extends another', 'WrappingField'],
    ['a custom decorator in a class that extends another', 'LoudField'],
  ] as const)('handlers that %s wraps keep their guards inside', async (_, wrapping) => {
    expect(await heard(new file[wrapping](), ALICE, '/ban')).toEqual([])
    await stand.guard.close()
    expect(await heard(new file[wrapping](), ADMIN, '/ban')).toEqual(['guarded'])
  })

  test('an override with guards of its own is guarded without handlers(), too, except for defined legacy fields', async () => {
    const again = new file.Again()
    stand = desk({ throttle: false }, (bot) => {
      bot.command('ban', (ctx) => again.ban(ctx))
    })
    await stand.says(ALICE, '/ban')
    // With `experimentalDecorators` and defined fields, only handlers() can notice the override.
    expect(again.log).toEqual(/experimentalDecorators, fields defined/.test(name) ? ['open'] : [])
  })
})

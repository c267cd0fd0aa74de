import { type Desk, desk } from '../sentinel-desk.js'
import { COMPILERS, compiled } from './compilers.js'

type Overrides = typeof import('./overrides.js')

const ALICE = 7
const ADMIN = 8

describe.each(Object.entries(COMPILERS))(
  'fields of a class that is extended, compiled by %s',
  (name, compiler) => {
    let file: Overrides
    let stand: Desk
    beforeEach(() => {
      file = compiled<Overrides>('test/decorators/overrides.ts', compiler)
    })
    afterEach(() => stand?.guard.close())

    async function heard(
      made: { readonly log: string[] },
      who: number,
      ...texts: string[]
    ): Promise<string[]> {
      stand = desk({ throttle: false }, (bot) => bot.use(file.handlers(made)))
      await stand.guard.grant(ADMIN, 'admin')
      await stand.says(who, ...texts)
      return made.log
    }

    test('one that nobody decorated is never open to everybody', async () => {
      let log: string[]
      try {
        log = await heard(new file.Careless(), ALICE, '/ban')
      } catch (error) {
        // The standard's decorators see it; the older ones keep the guards.
        expect(error).toMatchObject({
          code: 'handler.undecorated',
          message: expect.stringContaining('Careless.ban overrides the handler of command:ban'),
        })
        return
      }
      expect(log).toEqual([])
    })

    test('one that is decorated takes the place of what was there, with its registrations and guards', async () => {
      expect(await heard(new file.Other(), ALICE, '/ban', '/kick', '/kick')).toEqual(['Other kicks'])
    })

    test('one that is bound is what it was', async () => {
      expect(await heard(new file.Bound(), ALICE, '/ban', '/count')).toEqual(['Desk counts'])
      await stand.guard.close()
      expect(await heard(new file.Bound(), ADMIN, '/ban', '/count')).toEqual(['Desk bans', 'Desk counts'])
    })

    test.each([
      'a field in the place of a method',
      'a field in the place of a method whose guard is outermost',
      'a getter in the place of a method',
      'what is assigned in the constructor, in the place of a method',
      'a field in the place of one whose guard is outermost',
      'what is assigned in the constructor, in the place of a field',
    ] as const)('is not open: %s', async (what) => {
      let log: readonly string[] = []
      try {
        log = await heard(file.LOST[what](), ALICE, '/ban', '/kick')
      } catch (error) {
        expect(error).toMatchObject({ code: 'handler.undecorated' })
      }
      expect(log).toEqual([])
    })

    test('a decorator of others around a registrar of its own is no slip', async () => {
      expect(await heard(new file.Loud(), ALICE, '/ban', '/shout')).toEqual(['Loud shouts'])
    })

    test.each([
      ['the class itself', 'Wrapping'],
      ['a class that extends another', 'WrappingField'],
      ['a decorator of others in a class that extends another', 'LoudField'],
    ] as const)('what %s wraps is guarded inside', async (_, wrapping) => {
      expect(await heard(new file[wrapping](), ALICE, '/ban')).toEqual([])
      await stand.guard.close()
      expect(await heard(new file[wrapping](), ADMIN, '/ban')).toEqual(['guarded'])
    })

    test('what is guarded anew is guarded without handlers(), too, where fields are assigned', async () => {
      const again = new file.Again()
      stand = desk({ throttle: false }, (bot) => {
        bot.command('ban', (ctx) => again.ban(ctx))
      })
      await stand.says(ALICE, '/ban')
      // Where fields are defined under `experimentalDecorators` nobody sees them come: handlers() sees to it.
      expect(again.log).toEqual(/experimentalDecorators, fields defined/.test(name) ? ['open'] : [])
    })
  },
)

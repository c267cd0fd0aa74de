import { type Desk, desk } from '../sentinel-desk.js'
import { COMPILERS, compiled } from './compilers.js'

type Overrides = typeof import('./overrides.js')

const ALICE = 7
const ADMIN = 8

describe.each(Object.entries(COMPILERS))(
  'fields of a class that is extended, compiled by %s',
  (_, compiler) => {
    let file: Overrides
    let stand: Desk
    beforeEach(() => {
      file = compiled<Overrides>('test/decorators/overrides.ts', compiler)
    })
    afterEach(() => stand?.guard.close())

    async function heard(
      made: InstanceType<Overrides['Desk']>,
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
          message: expect.stringContaining('Careless.ban overrides what handles command:ban'),
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
  },
)

import type { Context, NextFunction } from 'grammy'
import { callbackQuery, command, handlers, hears, membership, on } from '../../src/decorators/index.js'
import { debounce, exempt, memory, requireRole, sentinel, throttle } from '../../src/index.js'
import { desk, joins, says, taps } from '../sentinel/desk.js'

const ALICE = 7

/** Sends texts to a bot with the handlers of an instance, and returns the instance's log. */
async function noted(instance: { readonly log: string[] }, ...texts: string[]): Promise<string[]> {
  const stand = desk({ storage: memory() }, (bot) => bot.use(handlers(instance)))
  await stand.says(ALICE, ...texts)
  return instance.log
}

describe('the order of handlers', () => {
  class Base {
    readonly log: string[] = []

    @on('message')
    first(_ctx: Context, next: NextFunction): Promise<void> {
      this.log.push('first')
      return next()
    }
  }
  class Derived extends Base {
    @on('message')
    second = (_ctx: Context, next: NextFunction): Promise<void> => {
      this.log.push('second')
      return next()
    }

    @on('message')
    third(_ctx: Context, next: NextFunction): Promise<void> {
      this.log.push('third')
      return next()
    }

    @on('message')
    fourth = (): void => {
      this.log.push('fourth')
    }

    @on('message')
    fifth(): void {
      this.log.push('fifth')
    }
  }

  test('is the order in which they are written, for methods and fields alike, base classes first', async () => {
    expect(await noted(new Derived(), 'hello')).toEqual(['first', 'second', 'third', 'fourth'])
  })
})

describe('private members', () => {
  class Shop {
    readonly log: string[] = []

    @command('method')
    @throttle('1/1m')
    async #method(ctx: Context): Promise<void> {
      this.log.push(`method ${ctx.from?.id}`)
    }

    @command('field')
    @throttle('1/1m')
    #field = async (ctx: Context): Promise<void> => {
      this.log.push(`field ${ctx.from?.id}`)
    }

    all(): unknown[] {
      return [this.#method, this.#field]
    }
  }

  test('are handled like public members', async () => {
    expect(await noted(new Shop(), '/method', '/method', '/field', '/field')).toEqual(['method 7', 'field 7'])
  })

  test('are inherited if static, although only their own class declares them', async () => {
    const log: string[] = []
    class Base {
      readonly log = log

      @command('about')
      @throttle('1/1m')
      static async #about(ctx: Context): Promise<void> {
        log.push(`about ${ctx.from?.id}`)
      }

      @command('help')
      static readonly #help = async (ctx: Context): Promise<void> => {
        log.push(`help ${ctx.from?.id}`)
      }

      all(): unknown[] {
        return [Base.#about, Base.#help]
      }
    }
    class Derived extends Base {}
    const stage = desk({}, (bot) => bot.use(handlers(Derived)))
    await stage.says(7, '/about', '/about', '/help')
    expect(log).toEqual(['about 7', 'help 7'])
  })
})

describe('an override', () => {
  class Base {
    readonly log: string[] = []

    @command('buy')
    @throttle('1/1h')
    buy(_ctx: Context): void {
      this.log.push('base')
    }
  }

  test('that is decorated replaces the registrations and guards of the base class', async () => {
    class Free extends Base {
      @command('take')
      override buy(_ctx: Context): void {
        this.log.push('free')
      }
    }
    expect(await noted(new Free(), '/buy', '/take', '/take')).toEqual(['free', 'free'])
  })

  test('may call the overridden method, whose guards then apply', async () => {
    class Polite extends Base {
      @command('buy')
      override async buy(ctx: Context): Promise<void> {
        this.log.push('polite')
        await super.buy(ctx)
      }
    }
    expect(await noted(new Polite(), '/buy', '/buy')).toEqual(['polite', 'base', 'polite'])
  })

  test('must be decorated, because registrations are not inherited', () => {
    class Careless extends Base {
      override buy(): void {
        this.log.push('careless')
      }
    }
    expect(() => handlers(new Careless())).toThrow(
      expect.objectContaining({
        code: 'handler.undecorated',
        message: expect.stringContaining('Careless.buy overrides the handler of command:buy') as string,
      }),
    )
  })

  test('is not a custom decorator around ours', async () => {
    const loud = <H extends (this: never, ctx: Context) => void>(method: H): H =>
      function (this: never, ctx: Context) {
        return method.call(this, ctx)
      } as H
    class Shop extends Base {
      @loud
      @command('sell')
      sell(_ctx: Context): void {
        this.log.push('sold')
      }
    }
    expect(await noted(new Shop(), '/sell')).toEqual(['sold'])
  })

  test('is not a method that the constructor has bound, which is handled as before', async () => {
    class Bound extends Base {
      constructor() {
        super()
        this.buy = this.buy.bind(this)
      }
    }
    expect(await noted(new Bound(), '/buy', '/buy')).toEqual(['base'])
  })
})

describe('a class without a name', () => {
  test('names its limits after its methods', async () => {
    const refused: string[] = []
    const shop = new (class {
      @command('buy')
      @throttle('1/1h')
      buy(_ctx: Context): void {}
    })()
    Object.defineProperty(shop.constructor, 'name', { value: '' })
    const stand = desk({ storage: memory() }, (bot) => bot.use(handlers(shop)))
    stand.guard.on('denied', ({ verdict }) => refused.push(verdict.limit))
    await stand.says(ALICE, '/buy', '/buy')
    // The limit was named after its method when the instance was created.
    expect(refused).toEqual(['buy'])
  })
})

describe('registrars', () => {
  class Desk {
    readonly log: string[] = []

    @command(['a', 'b'])
    commands(ctx: Context): void {
      this.log.push(`command ${ctx.match}`)
    }

    @hears(['hello', /^hi (\w+)/])
    @on('message:photo')
    words(ctx: Context): void {
      this.log.push(`heard ${typeof ctx.match === 'string' ? ctx.match : ctx.match?.[1]}`)
    }

    @callbackQuery(/^buy (\d+)$/)
    taps(ctx: Context): void {
      this.log.push(`tapped ${ctx.match?.[1]}`)
    }

    @membership(['joined', 'left'])
    members(ctx: Context): void {
      this.log.push(`came ${ctx.chatMember?.from.id}`)
    }
  }

  test('register for everything that grammY matches', async () => {
    const own = new Desk()
    const stand = desk({ storage: memory() }, (bot) => bot.use(handlers(own)))
    await stand.says(ALICE, '/a one', '/b two', '/c', 'hello', 'hi bob', 'hey')
    await stand.handle(taps(ALICE, 'buy 3'))
    await stand.handle(taps(ALICE, 'sell 3'))
    await stand.handle(joins(9))
    expect(own.log).toEqual(['command one', 'command two', 'heard hello', 'heard bob', 'tapped 3', 'came 9'])
  })

  test('work without a sentinel', async () => {
    const own = new Desk()
    const composer = handlers(own)
    const stand = desk({ storage: memory() })
    const seen: Context[] = []
    stand.bot.use((ctx) => seen.push(ctx))
    await stand.handle(joins(9))
    Reflect.deleteProperty(seen[0] as Context, 'sentinel')
    await composer.middleware()(seen[0] as never, async () => undefined)
    expect(own.log).toEqual(['came 9'])
  })

  const told = (message: string) =>
    expect.objectContaining({ code: 'handler.invalid', message: expect.stringContaining(message) as string })

  test.each([
    ['a slash', () => command('/buy'), '"/buy" is not a command'],
    ['an empty list', () => command([]), 'an empty list names nothing'],
    ['an empty text', () => hears(''), '@hears: "" names nothing'],
    ['an unknown event', () => membership('join' as 'joined'), 'Did you mean "joined"?'],
    [
      'a getter',
      () => command('x')({} as never, { kind: 'getter', name: 'x', addInitializer() {} } as never),
      'decorates a getter',
    ],
    [
      'a getter, with legacy decorators',
      () => command('x')({}, 'x' as never, { get: () => 1 } as never),
      'decorates a getter',
    ],
    [
      'something other than a member',
      () => command('x')((() => undefined) as never, undefined as never),
      'something other than a class member',
    ],
    ['an object without handlers', () => handlers({}), 'has no handlers'],
    ['a class without static handlers', () => handlers(Desk), 'the class Desk has no handlers'],
    ['a text in place of an object', () => handlers('Desk' as never), '"Desk" is not an instance'],
  ])('refuse %s at once', (_, wrong, message) => {
    expect(wrong).toThrow(told(message))
  })

  test('refuse a member that is not a handler when its instance is registered', () => {
    class Wrong {
      // @ts-expect-error: not a handler
      @command('x')
      held = 'away'
    }
    expect(() => handlers(new Wrong())).toThrow(told('@command:x on Wrong.held: "away" is not a handler'))
  })
})

describe('exempt', () => {
  test('skips the guards inside it and after it, and refunds the guards around it', async () => {
    const log: string[] = []
    const note =
      (what: string) =>
      (_ctx: Context, next: NextFunction): Promise<void> => {
        log.push(what)
        return next()
      }
    const inside = exempt({ users: [ALICE] })(throttle('1/1h')(note('inside')))
    const outside = throttle('1/1h')(exempt({ users: [ALICE] })(note('outside')))
    const stand = desk({ storage: memory() }, (bot) => {
      bot.command('in', inside)
      bot.command('out', outside)
      bot.command('later', exempt({ users: [ALICE] }), throttle('1/1h'), note('later'))
    })
    await stand.says(ALICE, '/in', '/in', '/out', '/out', '/later', '/later')
    await stand.says(8, '/in', '/in', '/later', '/later')
    expect(log).toEqual(['inside', 'inside', 'outside', 'outside', 'later', 'later', 'inside', 'later'])
  })

  test('applies to holders of roles, in front of and around other guards', async () => {
    const log: string[] = []
    const stand = desk(
      { storage: memory(), roles: { helper: {}, moderator: { extends: ['helper'] } } },
      (bot) => {
        bot.command('go', exempt({ roles: ['helper'] })(throttle('1/1h')(() => log.push('go'))))
        bot.command('then', exempt({ roles: ['helper'] }), throttle('1/1h'), () => log.push('then'))
      },
    )
    await stand.says(ALICE, '/go', '/go', '/then', '/then')
    expect(log).toEqual(['go', 'then'])
    await stand.guard.grant(ALICE, 'moderator')
    await stand.says(ALICE, '/go', '/go', '/then', '/then')
    expect(log).toEqual(['go', 'then', 'go', 'go', 'then', 'then'])
  })

  test('applies to administrators, in their chat only', async () => {
    const log: string[] = []
    const stand = desk({ storage: memory() }, (bot) => {
      bot.command('go', exempt({ chatAdmins: true })(throttle('1/1h')(() => log.push('go'))))
    })
    stand.hasAdministrators(ALICE)
    for (const group of [true, true, true, false, false]) await stand.handle(says(ALICE, '/go', { group }))
    for (const group of [true, true]) await stand.handle(says(8, '/go', { group }))
    // Exempt users spend nothing, so that ALICE still has her one update outside of the group.
    expect(log).toHaveLength(3 + 1 + 1)
  })

  test('without options skips limits, but not required roles', async () => {
    const log: string[] = []
    const stand = desk({ storage: memory() }, (bot) => {
      bot.command('go', exempt()(requireRole('admin')(debounce('1m')(() => log.push('go')))))
    })
    await stand.says(ALICE, '/go')
    await stand.guard.grant(ALICE, 'admin')
    await stand.says(ALICE, '/go', '/go')
    expect(log).toEqual(['go', 'go'])
  })

  test('applies to a sentinel that comes after it', async () => {
    const guard = sentinel({ storage: memory(), throttle: '1/1h' })
    const stand = desk({ storage: memory(), throttle: '90/1m' }, (bot) => {
      bot.use(exempt({ users: [ALICE] }), guard)
    })
    const log: number[] = []
    stand.bot.use((ctx) => log.push(ctx.from?.id ?? 0))
    await stand.says(ALICE, 'one', 'two')
    await stand.says(8, 'one', 'two')
    expect(log).toEqual([ALICE, ALICE, 8])
  })
})

describe('requireRegistered and requireRole', () => {
  test('refuse updates without an actor, such as polls', async () => {
    const log: string[] = []
    const stand = desk({ storage: memory() }, (bot) => {
      bot.on('poll', requireRole('admin'), () => log.push('poll'))
    })
    const poll = { id: '1', question: 'x', options: [], total_voter_count: 0 }
    await stand.handle({ update_id: 990_000_001, poll: poll as never })
    expect(log).toEqual([])
  })

  test('admit holders of both roles if two guards are stacked, and of either role if one guard names both', async () => {
    const log: string[] = []
    const stand = desk({ storage: memory() }, (bot) => {
      bot.command('both', requireRole('a')(requireRole('b')(() => log.push('both'))))
      bot.command(
        'one',
        requireRole('a', 'b', { deny: 'silent' })(() => log.push('one')),
      )
    })
    await stand.guard.grant(ALICE, 'b')
    await stand.says(ALICE, '/both', '/one')
    await stand.guard.grant(ALICE, 'a')
    await stand.says(ALICE, '/both')
    expect(log).toEqual(['one', 'both'])
  })

  test('admit holders of a granted role and of a role of Telegram in this chat', async () => {
    const log: string[] = []
    const stand = desk({ storage: memory() }, (bot) => {
      bot.command(
        'go',
        requireRole('chat:administrator', 'moderator')(() => log.push('go')),
      )
    })
    stand.hasAdministrators(ALICE)
    await stand.handle(says(ALICE, '/go', { group: true }))
    await stand.handle(says(8, '/go', { group: true }))
    await stand.handle(says(ALICE, '/go'))
    expect(log).toEqual(['go'])
    await stand.guard.grant(8, 'moderator')
    await stand.handle(says(8, '/go', { group: true }))
    expect(log).toEqual(['go', 'go'])
  })

  test('refuse users without the role, and accept a role named __proto__', async () => {
    const log: string[] = []
    const storage = memory()
    const stand = desk({ storage }, (bot) => {
      bot.command(
        'go',
        requireRole('__proto__')(() => log.push('go')),
      )
    })
    await stand.says(ALICE, '/go')
    await stand.guard.grant(ALICE, '__proto__')
    await stand.says(ALICE, '/go')
    expect(log).toEqual(['go'])
  })
})

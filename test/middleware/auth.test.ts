import { Bot, type Context } from 'grammy'
import type { Update } from 'grammy/types'
import { subject } from '../../src/core/subject.js'
import { type AuthOptions, auth } from '../../src/middleware/auth.js'
import { compose } from '../../src/middleware/compose.js'
import { sentinel } from '../../src/sentinel.js'
import { type GuardedContext, type Rig, rig, Stage } from './rig.js'

let on: Rig
afterEach(() => on.stop())

const says = async (...texts: string[]): Promise<void> => {
  for (const text of texts) await on.alice.to(on.account).sends(text)
  await on.settled()
}

describe('auth', () => {
  test('refuses users who are not registered, except for /start', async () => {
    on = await rig(auth())
    on.start()
    await says('/start', 'hello')
    await on.alice.hears('Please register first.')
    expect(on.reached).toEqual(['/start'])
  })

  // Everything that `bot.command()` does not handle falls through to the handlers behind the gate.
  describe('an open command is only what bot.command() runs for', () => {
    const command = (length: number) => [{ type: 'bot_command' as const, offset: 0, length }]
    const photo = [{ file_id: 'f', file_unique_id: 'u', width: 1, height: 1 }]
    const open: Record<string, object> = {
      'the command': { message: { text: '/start', entities: command(6) } },
      'the command with a payload': { message: { text: '/start ref_7', entities: command(6) } },
      'the command with the name of the bot': {
        message: { text: '/start@Guarded_Bot', entities: command(18) },
      },
      'the command in a channel post': { channel_post: { text: '/start', entities: command(6) } },
    }
    const closed: Record<string, object> = {
      'a photo with the command as its caption': {
        message: { photo, caption: '/start', caption_entities: command(6) },
      },
      'the command in capitals': { message: { text: '/START tell me', entities: command(6) } },
      'the command in a code block': {
        message: { text: '/start tell me', entities: [{ type: 'code', offset: 0, length: 14 }] },
      },
      'the command without entities': { message: { text: '/start tell me' } },
      'the command behind other words': {
        message: { text: 'tell /start', entities: [{ type: 'bot_command', offset: 5, length: 6 }] },
      },
      'the command of another bot': { message: { text: '/start@other_bot', entities: command(16) } },
      'a business message': {
        business_message: { business_connection_id: 'b', text: '/start', entities: command(6) },
      },
      'a guest message': { guest_message: { guest_query_id: 'g', text: '/start', entities: command(6) } },
    }

    /** Returns the handler that received the update of an unknown user, if any. */
    async function handledBy(update: object, options: AuthOptions): Promise<string | undefined> {
      on = await rig(undefined)
      await on.bot.init()
      const bot = new Bot<Context>(on.account.token, { ...on.account.config, botInfo: on.bot.botInfo })
      let handler: string | undefined
      bot.use(auth(options))
      bot.command(['start', 'Help'], () => {
        handler = 'command'
      })
      bot.use(() => {
        handler = 'others'
      })
      const [[kind, message]] = Object.entries(update) as [[string, object]]
      const chat = kind === 'channel_post' ? { id: -9, type: 'channel' } : { id: 7, type: 'private' }
      const from = { id: 7, is_bot: false, first_name: 'Eve' }
      const whole = { message_id: 1, date: 1, chat, ...(kind !== 'channel_post' && { from }), ...message }
      await bot.handleUpdate({ update_id: 1, [kind]: whole } as unknown as Update)
      return handler
    }

    test.each(Object.entries(open))('%s is open', async (_, update) => {
      expect(await handledBy(update, { deny: 'silent' })).toBe('command')
    })

    test.each(Object.entries(closed))('%s is not', async (_, update) => {
      expect(await handledBy(update, { deny: 'silent' })).toBeUndefined()
      await on.stop()
      expect(await handledBy(update, { roles: ['admin'], deny: 'silent' })).toBeUndefined()
      await on.stop()
      expect(await handledBy(update, { resolve: () => false, deny: 'silent' })).toBeUndefined()
    })

    test('matches commands in the same letter case as the option', async () => {
      const help = (text: string) => ({ message: { text, entities: command(5) } })
      const options: AuthOptions = { open: ['/Help'], deny: 'silent' }
      expect(await handledBy(help('/Help'), options)).toBe('command')
      await on.stop()
      expect(await handledBy(help('/help'), options)).toBeUndefined()
    })
  })

  test('requires registration only for the commands that the option names', async () => {
    on = await rig(auth({ gate: ['vip'], deny: 'silent' }))
    on.start()
    await says('/vip', '/help', 'hello')
    expect(on.reached).toEqual(['/help', 'hello'])
  })

  test('registers every user at their first update if the option says so', async () => {
    on = await rig(compose(auth({ registration: 'auto' })))
    on.start()
    await says('one', 'two')
    expect(on.reached).toEqual(['one', 'two'])
  })

  test('requires a role', async () => {
    on = await rig(auth({ roles: ['admin'], deny: 'silent', gate: ['ban'] }))
    on.start()
    await says('/ban', 'hello')
    expect(on.reached).toEqual(['hello'])
  })

  test('users cannot bypass the gate by writing as their own channel', async () => {
    const commands: string[] = []
    on = await rig(auth({ roles: ['moderator'], gate: ['ban'], deny: 'silent' }), (bot) => {
      bot.command('ban', (ctx) => {
        commands.push(ctx.chat.type)
      })
    })
    const linkedGroup = on.telegram.createGroup({ title: 'Den', owner: on.alice, admins: [on.account] })
    const channel = on.telegram.createChannel({
      title: 'News',
      owner: on.alice,
      admins: [on.account],
      linkedGroup,
    })
    on.start()
    await on.alice.in(channel).posts('/ban everybody')
    await on.alice.in(channel).posts('news')
    await on.settled()
    expect(commands).toEqual([])
    expect(on.reached).toEqual(['news', 'news'])
  })

  test('posts of a channel are refused until the channel is registered', async () => {
    const guard = sentinel<GuardedContext>({ auth: {} })
    on = await rig(guard)
    const linkedGroup = on.telegram.createGroup({ title: 'Den', owner: on.alice, admins: [on.account] })
    const channel = on.telegram.createChannel({
      title: 'News',
      owner: on.alice,
      admins: [on.account],
      linkedGroup,
    })
    on.start()
    const post = await on.alice.in(channel).posts('draw a cat')
    await on.alice.in(channel).edits(post, 'draw a dog')
    await on.settled()
    expect(on.reached).toEqual([])
    await guard.register(subject.sender(channel.id))
    await on.alice.in(channel).posts('news')
    await on.settled()
    // The post, and its automatic forward into the linked group.
    expect(on.reached).toEqual(['news', 'news'])
    await guard.close()
  })

  test('users cannot bypass the gate as an administrator of their own group', async () => {
    const guard = sentinel<GuardedContext>({
      auth: { roles: ['moderator'], gate: ['ban'], deny: 'silent' },
      exempt: { chatAdmins: true, roles: ['trusted'] },
    })
    on = await rig(guard)
    const den = on.telegram.createGroup({
      title: 'Den',
      owner: on.alice,
      members: [on.bob],
      admins: [on.account],
    })
    await guard.grant(on.bob.id, 'trusted')
    on.start()
    await on.alice.in(den).sends('/ban')
    await on.alice.in(den).anonymously().sends('/ban')
    await on.bob.in(den).sends('/ban me')
    await on.settled()
    expect(on.reached).toEqual(['/ban me'])
    await guard.close()
  })

  describe('with a resolver', () => {
    const resolving = (options: AuthOptions): Promise<Rig> =>
      rig(
        compose(auth({ registration: 'auto', ...options }), { clock: time.clock, timers: time.timers }),
        (bot) => {
          bot.on('message', (ctx: GuardedContext) => {
            identities.push(ctx.sentinel.identity)
          })
        },
      )
    let time: Stage
    let identities: unknown[]
    beforeEach(() => {
      time = new Stage()
      identities = []
    })

    test('a positive answer is remembered with its end and value', async () => {
      let asked = 0
      on = await resolving({
        resolve: () => {
          asked++
          return { allow: true, value: { plan: 'gold' } }
        },
      })
      on.start()
      await says('one', 'two')
      expect(asked).toBe(1)
      expect(identities).toEqual([{ plan: 'gold' }, { plan: 'gold' }])
      time.advance(300_000)
      await says('later')
      expect(asked).toBe(2)
    })

    test('a negative answer is remembered, and the user gets one notice', async () => {
      let asked = 0
      on = await resolving({
        resolve: async () => {
          asked++
          return { allow: false, for: '10s' }
        },
      })
      on.start()
      await says('one', 'two', 'three')
      expect([asked, on.reached]).toEqual([1, []])
      await on.alice.hears('This is not for you.')
      time.advance(10_000)
      await says('later')
      expect(asked).toBe(2)
    })

    test('is called once for all updates that arrive before it answers', async () => {
      let answer = (_: boolean): void => undefined
      let asked = 0
      on = await resolving({
        resolve: () => {
          asked++
          return new Promise<boolean>((done) => (answer = done))
        },
      })
      await on.bot.init()
      const update = (id: number): Promise<void> =>
        on.bot.handleUpdate({
          update_id: id,
          message: {
            message_id: id,
            date: 0,
            text: `update ${id}`,
            chat: { id: 7, type: 'private', first_name: 'A' },
            from: { id: 7, is_bot: false, first_name: 'A' },
          },
        })
      const both = [update(1), update(2)]
      await Promise.resolve()
      answer(true)
      await Promise.all(both)
      expect([asked, on.reached]).toEqual([1, ['update 1', 'update 2']])
    })

    test.each([
      ['throws', () => Promise.reject(new Error('no database'))],
      [
        'throws at once',
        () => {
          throw new Error('no database')
        },
      ],
    ])('that %s admits nobody, and is called again', async (_, resolve) => {
      const { error } = console
      const told: unknown[] = []
      console.error = (...args: unknown[]) => told.push(args)
      on = await resolving({ resolve, deny: 'silent' })
      on.start()
      await says('one')
      console.error = error
      expect(on.reached).toEqual([])
      expect(String(told)).toContain('error during auth.resolve')
    })

    test('that takes too long admits nobody', async () => {
      const { error } = console
      console.error = () => undefined
      on = await resolving({ resolve: () => new Promise(() => undefined), timeout: '2s', deny: 'silent' })
      await on.bot.init()
      const handled = on.bot.handleUpdate({
        update_id: 1,
        message: {
          message_id: 1,
          date: 0,
          text: 'hello',
          chat: { id: 7, type: 'private', first_name: 'A' },
          from: { id: 7, is_bot: false, first_name: 'A' },
        },
      })
      await Promise.resolve()
      time.advance(2000)
      await handled
      console.error = error
      expect(on.reached).toEqual([])
    })
  })
})

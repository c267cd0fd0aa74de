import type { Bot, BotConfig, Context } from 'grammy'
import type { Sentinel, SentinelFlavor } from 'grammy-sentinel'
import { subject } from 'grammy-sentinel'
import { type Person, startTelegram, type Telegram, type TelegramBot } from 'grammy-sentinel/testing'
import { groupBot } from '../examples/group-bot.js'
import { helloBot } from '../examples/hello.js'
import { main as moderate, moderationBot } from '../examples/moderation.js'
import { ordersBot } from '../examples/nest-style/main.js'
import { shopBot } from '../examples/shop/main.js'
import { uploadsBot } from '../examples/uploads.js'

type GuardedContext = Context & SentinelFlavor
interface Example {
  readonly bot: Bot<GuardedContext>
  readonly guard: { close(): Promise<void> }
}

let telegram: Telegram
let account: TelegramBot
let alice: Person
let bob: Person
let end = async (): Promise<void> => undefined

beforeEach(async () => {
  telegram = await startTelegram()
  account = telegram.createBot({ username: 'example_bot' })
  alice = telegram.createUser({ firstName: 'Alice' })
  bob = telegram.createUser({ firstName: 'Bob' })
})
afterEach(async () => {
  await end()
  await telegram.close()
})

/** Runs an example as its own `main` would. */
async function run(build: (token: string, options: BotConfig<GuardedContext>) => Example): Promise<Example> {
  const { bot, guard } = build(account.token, { client: { apiRoot: telegram.apiRoot } })
  const failures: unknown[] = []
  bot.catch(({ error }) => failures.push(error))
  let running: Promise<void> | undefined
  await new Promise<void>((started, failed) => {
    running = bot.start({ onStart: () => started() })
    running.catch(failed)
  })
  end = async () => {
    await bot.stop()
    await running
    await guard.close()
    expect(failures).toEqual([])
  }
  return { bot, guard }
}

describe('hello', () => {
  test('greets, and slows a flood down by default', async () => {
    await run(helloBot)
    for (let i = 0; i < 35; i++) await alice.to(account).sends('/start')
    await alice.hears('You have 29 messages left')
    await alice.hears(/^Slow down/)
    await telegram.settled()
    expect(alice.heard.filter(({ text }) => text?.startsWith('Hello')).length).toBeLessThan(35)
  })
})

test.each([Number.NaN, 0, 123])('moderation does not start in a group with the id %d', async (home) => {
  await expect(moderate('123:abc', home)).rejects.toThrow('GROUP_ID must be the id of the group')
})

describe('moderation', () => {
  const plazaOf = (members: Person[]) =>
    telegram.createGroup({ title: 'Plaza', owner: alice, members, admins: [account] })

  test('greets users who join', async () => {
    const plaza = plazaOf([])
    await run((token, options) => moderationBot(token, plaza.id, options))
    // Telegram delivers joins only after the bot has asked for this kind of update; its first fetch asks for it.
    await alice.in(plaza).sends('hello')
    await telegram.settled()
    await bob.in(plaza).joins()
    await alice.hears('Welcome, Bob!', { in: plaza })
  })

  test('blocks and unblocks users at the command of an administrator', async () => {
    const plaza = plazaOf([bob])
    await run((token, options) => moderationBot(token, plaza.id, options))
    const spam = await bob.in(plaza).sends('buy this')
    await alice.in(plaza).replies(spam, '/block 1h')
    await alice.hears('Blocked.')
    const blocked = await bob.in(plaza).sends('/rules')
    await telegram.settled()
    const unblocking = await alice.in(plaza).replies(spam, '/unblock')
    await alice.hears('Unblocked.', { after: blocked })
    expect(alice.heard.some(({ text }) => text === 'Be kind.')).toBe(false)
    await bob.in(plaza).sends('/rules')
    await alice.hears('Be kind.', { after: unblocking })
  })

  test('blocks nobody if /block answers no message, also in a topic of a forum', async () => {
    const forum = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account, bob], forum: true })
    const { guard } = await run((token, options) => moderationBot(token, forum.id, options))
    const lunch = await alice.in(forum).createsTopic('Lunch')
    await bob.in(forum).inTopic(lunch).sends('/block')
    await bob.hears(/^Answer a message of theirs/)
    expect(await (guard as Sentinel).isBlocked(alice.id)).toBe(false)
  })

  test('ignores commands of owners of other groups', async () => {
    const plaza = plazaOf([bob])
    const den = telegram.createGroup({ title: 'Den', owner: bob, members: [alice], admins: [account] })
    await run((token, options) => moderationBot(token, plaza.id, options))
    await bob.in(den).replies(await alice.in(den).sends('hello'), '/block')
    await alice.in(plaza).sends('/rules')
    await alice.hears('Be kind.')
    expect(bob.heard.some(({ text }) => text === 'Blocked.')).toBe(false)
  })

  test('bans a blocked user who joins again', async () => {
    const plaza = plazaOf([bob])
    await run((token, options) => moderationBot(token, plaza.id, options))
    await alice.in(plaza).replies(await bob.in(plaza).sends('buy this'), '/block')
    await alice.hears('Blocked.')
    await bob.in(plaza).leaves()
    await bob.in(plaza).joins()
    await telegram.called('banChatMember')
    expect(plaza.member(bob).status).toBe('kicked')
  })

  test('blocks anonymous administrators, and ignores commands of members', async () => {
    const plaza = plazaOf([bob])
    await run((token, options) => moderationBot(token, plaza.id, options))
    const order = await bob.in(plaza).replies(await alice.in(plaza).sends('hello'), '/block')
    await telegram.settled()
    expect(bob.heard.some(({ text }) => text === 'Blocked.')).toBe(false)
    const anonymous = await alice.in(plaza).anonymously().sends('I speak for all')
    await alice.in(plaza).replies(anonymous, '/block 5 minutes or so')
    await alice.hears('For how long?', { after: order })
    const never = await alice.in(plaza).replies(anonymous, '/block 0s')
    await alice.hears('For how long?', { after: never })
    await alice.in(plaza).replies(anonymous, '/block 30m')
    await alice.hears('Blocked.')
    const rules = await alice.in(plaza).anonymously().sends('/rules')
    await telegram.settled()
    expect(telegram.calls('sendMessage').at(-1)?.params).toMatchObject({ text: 'Blocked.' })
    await alice.in(plaza).sends('/rules')
    await alice.hears('Be kind.', { after: rules })
  })
})

describe('uploads', () => {
  const pdf = (megabytes: number) => ({
    content: new Uint8Array(megabytes * 1_000_000),
    type: 'application/pdf',
  })

  test('charges files by size, and refunds unsupported ones', async () => {
    await run(uploadsBot)
    const chat = alice.to(account)
    await chat.sendsDocument('picture.png', { content: new Uint8Array(5_000_000), type: 'image/png' })
    await alice.hears('Only PDF, please. You have 20.00 MB left.')
    await chat.sendsDocument('thesis.pdf', pdf(15))
    await alice.hears(/^Thank you. You have 5\.0\d MB left/)
    await chat.sendsDocument('appendix.pdf', pdf(6))
    await alice.hears(/^That is enough for now. Try again in/)
    await chat.sendsDocument('abstract.pdf', pdf(1))
    await alice.hears(/^Thank you. You have 4\.0\d MB left/)
    await chat.sends('/left')
    await alice.hears(/^You have 4\.0\d MB left/)
  })

  test('charges each file of an album, and refunds the whole album', async () => {
    const { bot } = await run(uploadsBot)
    await alice.to(account).sends('/left')
    await alice.hears('You have 20.00 MB left.')
    // The simulation only sends albums of photos, so the bot receives these updates as Telegram would send them.
    const sendsAlbum = async (id: string, ...files: { megabytes: number; type: string }[]): Promise<void> => {
      for (const [index, { megabytes, type }] of files.entries())
        await bot.handleUpdate({
          update_id: 1_000_000 + Number(id) * 10 + index,
          message: {
            message_id: 1_000 + Number(id) * 10 + index,
            date: 1,
            chat: { id: alice.id, type: 'private', first_name: 'Alice' },
            from: { id: alice.id, is_bot: false, first_name: 'Alice' },
            media_group_id: id,
            document: { file_id: 'f', file_unique_id: 'f', file_size: megabytes * 1e6, mime_type: type },
          },
        })
    }
    const [text, picture] = ['application/pdf', 'image/png'] as const
    await sendsAlbum('1', { megabytes: 1, type: picture }, { megabytes: 8, type: text })
    await alice.hears('Only PDF, please. You have 20.00 MB left.')
    await sendsAlbum('2', { megabytes: 4.5, type: text }, { megabytes: 4.5, type: text })
    await alice.hears(/^Thank you. You have 11\.0\d MB left/)
    await sendsAlbum('3', { megabytes: 0.1, type: text }, { megabytes: 15, type: text })
    await alice.hears('That is enough for now.')
  })
})

describe('group', () => {
  const plazaOf = (members: Person[]) =>
    telegram.createGroup({ title: 'Plaza', owner: alice, members, admins: [account] })
  const quotes = (who: Person): number =>
    who.heard.filter(({ text }) => /virtue|Measure|Less, but/.test(text ?? '')).length

  test('limits quotes for members, and gives moderators a higher limit', async () => {
    const plaza = plazaOf([bob])
    await run(groupBot)
    for (let nth = 0; nth < 3; nth++) await bob.in(plaza).sends('/quote')
    await telegram.settled()
    expect(quotes(bob)).toBe(2)
    const asked = await bob.in(plaza).sends('/announce Cake!')
    await telegram.settled()
    expect(bob.heard.some(({ text }) => text?.startsWith('📣'))).toBe(false)
    await alice.in(plaza).replies(asked, '/trust')
    await bob.hears('They are a moderator here now.')
    await bob.in(plaza).sends('/announce Cake!')
    await bob.hears('📣 Cake!')
    // Alice is an administrator of the group, which gives her a role, too.
    await alice.in(plaza).sends('/announce Tea!')
    await bob.hears('📣 Tea!')
  })

  test('lets administrators change a limit for their group, and explains a refusal', async () => {
    const plaza = plazaOf([bob])
    await run(groupBot)
    await bob.in(plaza).sends('/pun')
    await bob.hears('No pun intended.')
    await bob.in(plaza).sends('/pun')
    await bob.in(plaza).sends('/pun')
    await telegram.settled()
    expect(bob.heard.filter(({ text }) => text === 'No pun intended.')).toHaveLength(1)
    await alice.in(plaza).sends('/sentinel')
    const menu = await alice.hears(/^Settings of this chat/)
    expect(await (await bob.in(plaza).taps(menu, '2/1m')).answer).toMatchObject({ show_alert: true })
    expect(await (await alice.in(plaza).taps(menu, '2/1m')).answer).toMatchObject({ text: 'Saved.' })
    await bob.hears('From now on here: throttle.member 2/1m.')
    await bob.in(plaza).sends('/why')
    const why = await bob.hears(/^Policy calm/)
    expect(why.text).toContain('- calm: 2/1m (policy calm)')
  })
})

describe('shop', () => {
  test('guards each handler, except the exempt one', async () => {
    const guards: { grant(whom: number, role: string): Promise<void> }[] = []
    await run((token, options) => {
      const shop = shopBot(token, options)
      guards.push(shop.guard)
      return shop
    })
    const chat = alice.to(account)
    await chat.sends('/buy tea')
    await alice.hears(/register/)
    // More messages than the sentinel lets one user send at once: exempt messages use nothing up.
    for (let nth = 0; nth < 12; nth++) {
      await chat.sends('/help')
      await telegram.settled()
    }
    expect(alice.heard.filter(({ text }) => text?.startsWith('/join'))).toHaveLength(12)
    await chat.sends('/join')
    await alice.hears('You are a customer now.')
    for (const what of ['tea', 'milk', 'salt', 'jam']) await chat.sends(`/buy ${what}`)
    const salt = await alice.hears('salt: in your cart.')
    await alice.hears(/^Slow down/)
    await chat.taps(salt, 'Pay')
    await alice.hears('Paid: tea, milk, salt.')
    await chat.taps(salt, 'Pay')
    await telegram.settled()
    expect(alice.heard.filter(({ text }) => text?.startsWith('Paid'))).toHaveLength(1)
    await bob.to(account).sends('/refund tea')
    await telegram.settled()
    await guards[0]?.grant(bob.id, 'support')
    await bob.to(account).sends('/refund tea')
    await bob.hears('Refunded tea.')
    expect(bob.heard.filter(({ text }) => text === 'Refunded tea.')).toHaveLength(1)
  })

  test('registers channels and anonymous administrators as what they are', async () => {
    let guard: Sentinel | undefined
    await run((token, options) => {
      const shop = shopBot(token, options)
      guard = shop.guard
      return shop
    })
    const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
    const channel = telegram.createChannel({ title: 'News', owner: alice })
    const anonymous = await alice.in(plaza).anonymously().sends('/join')
    await alice.hears('You are a customer now.', { in: plaza })
    await alice.in(plaza).as(channel).sends('/join')
    await alice.hears('You are a customer now.', { after: anonymous, in: plaza })
    await telegram.settled()
    expect(await guard?.isRegistered(subject.sender(channel.id))).toBe(true)
    expect(await guard?.isRegistered(subject.sender(plaza.id))).toBe(true)
  })
})

describe('nest-style', () => {
  test('guards methods and fields under experimentalDecorators', async () => {
    const guards: { grant(whom: number, role: string): Promise<void> }[] = []
    await run((token, options) => {
      const orders = ordersBot(token, options)
      guards.push(orders.guard)
      return orders
    })
    const chat = alice.to(account)
    for (const text of ['/order tea', '/order milk', '/order salt', 'again', 'again']) await chat.sends(text)
    await alice.hears('Order 3, the same.')
    await telegram.settled()
    await chat.sends('/orders')
    await telegram.settled()
    await guards[0]?.grant(alice.id, 'staff')
    await chat.sends('/orders')
    await alice.hears('Orders: tea, milk, the same.')
  })
})

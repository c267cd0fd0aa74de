import { run } from '@grammyjs/runner'
import { Bot, InlineKeyboard, InputFile, InputMediaBuilder, webhookCallback } from 'grammy'
import { createTelegram, startTelegram, type Telegram, type TelegramBot } from '../../src/telegram/index.js'

type Handlers = (bot: Bot) => void

const shop: Handlers = (bot) => {
  bot.command('start', (ctx) => ctx.reply(`Welcome, ${ctx.from?.first_name}`))
  bot.command('shop', (ctx) =>
    ctx.reply('Well?', { reply_markup: new InlineKeyboard().text('Buy', 'buy:1') }),
  )
  bot.callbackQuery('buy:1', async (ctx) => {
    await ctx.answerCallbackQuery('Sold')
    await ctx.editMessageText('Bought')
  })
}

const open: Telegram[] = []
afterEach(async () => {
  for (const telegram of open.splice(0)) await telegram.close()
})

function fresh(): Telegram {
  const telegram = createTelegram({ clock: 'virtual', patience: '300ms' })
  open.push(telegram)
  return telegram
}

function makes(account: TelegramBot, handlers: Handlers): Bot {
  const bot = new Bot(account.token, account.config)
  handlers(bot)
  bot.catch(() => undefined)
  return bot
}

/** Records a conversation with the bot, and returns the recording as text and the bot's token. */
async function recorded(handlers: Handlers = shop): Promise<{ text: string; token: string }> {
  const telegram = fresh()
  const recording = telegram.records()
  const account = telegram.createBot({ username: 'shop_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  await telegram.runs(makes(account, handlers))
  await alice.to(account).sends('/start')
  await alice.hears('Welcome')
  telegram.clock.advance('1m')
  await alice.to(account).sends('/shop')
  const tap = await alice.to(account).taps(await alice.hears('Well?'), 'Buy')
  await tap.answer
  await alice.hears('Bought')
  await telegram.settled()
  recording.stop()
  await alice.to(account).sends('/start')
  await telegram.settled()
  return { text: recording.text(), token: account.token }
}

async function replayed(text: string, handlers: Handlers): Promise<void> {
  const telegram = fresh()
  const replay = telegram.replays(text)
  await telegram.runs(makes(replay.bot('shop_bot'), handlers))
  await replay.finished()
}

test('a recording can be replayed by the same bot, without the people', async () => {
  const { text } = await recorded()
  const kinds = text
    .trim()
    .split('\n')
    .map((line) => {
      const { call, update } = JSON.parse(line) as { call?: string; update?: object }
      return call ?? (update === undefined ? 'head' : Object.keys(update).at(-1))
    })
  expect(kinds).toEqual([
    'head',
    'head',
    'message',
    'sendMessage',
    'message',
    'sendMessage',
    'callback_query',
    'answerCallbackQuery',
    'editMessageText',
  ])
  await replayed(text, shop)
})

test('it can also be replayed over a webhook', async () => {
  const { text } = await recorded()
  const telegram = await startTelegram({ patience: '5s' })
  open.push(telegram)
  const replay = telegram.replays(text)
  const bot = makes(replay.bot('shop_bot'), shop)
  telegram.hosts('https://bot.example/hook', webhookCallback(bot, 'std/http'))
  await bot.api.setWebhook('https://bot.example/hook')
  await replay.finished()
})

test('the first difference is reported: another parameter, another method, an additional call, a missing call', async () => {
  const { text } = await recorded()
  const told = (handlers: Handlers): Promise<string> =>
    replayed(text, handlers).then(
      () => 'no difference',
      (error: { code: string; message: string }) => `${error.code}: ${error.message}`,
    )
  const politely: Handlers = (bot) => {
    bot.command('start', (ctx) => ctx.reply(`Dear ${ctx.from?.first_name}`))
    shop(bot)
  }
  expect(await told(politely)).toMatch(
    /^telegram\.diverged: Call 1 of @shop_bot \(after update \d+\), sendMessage, differs: text is 'Dear Alice', and was 'Welcome, Alice'$/,
  )
  const silently: Handlers = (bot) => {
    bot.callbackQuery('buy:1', (ctx) => ctx.editMessageText('Bought'))
    shop(bot)
  }
  expect(await told(silently)).toMatch(
    /^telegram\.diverged: Call 3 of @shop_bot .*, answerCallbackQuery, differs: it is editMessageText \{.*\}, and was answerCallbackQuery \{/s,
  )
  const talkatively: Handlers = (bot) => {
    bot.callbackQuery('buy:1', async (ctx, next) => {
      await next()
      await ctx.reply('Thanks')
    })
    shop(bot)
  }
  expect(await told(talkatively)).toMatch(
    /^telegram\.diverged: the recording has no more calls, but @shop_bot made one: sendMessage \{ chat_id: \d+, text: 'Thanks' \}$/,
  )
  const lazily: Handlers = (bot) => {
    bot.command('shop', () => undefined)
    shop(bot)
  }
  expect(await told(lazily)).toMatch(
    /^telegram\.diverged: Call 2 of @shop_bot \(after update \d+\) was not made again: sendMessage \{.*'Well\?'.* within 300 ms$/s,
  )
  const never = fresh().replays(text)
  await expect(never.finished({ timeout: '10ms' })).rejects.toThrow(
    /Call 1 of @shop_bot .* was not made again/,
  )
})

test('errors of Telegram and cut connections are replayed', async () => {
  const telegram = fresh()
  const recording = telegram.records()
  const account = telegram.createBot({ username: 'shop_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const seen: string[] = []
  const handlers: Handlers = (bot) => {
    bot.on('message:text', (ctx) =>
      ctx.reply(ctx.msg.text).then(
        () => seen.push('sent'),
        (error: Error) => seen.push(error.message),
      ),
    )
  }
  telegram.faults.next('sendMessage', { code: 429, retryAfter: 7 })
  telegram.faults.next('sendMessage', { drop: true })
  await telegram.runs(makes(account, handlers))
  for (const text of ['limited', 'cut', 'sent']) await alice.to(account).sends(text)
  await telegram.settled()
  await replayed(recording.text(), handlers)
  expect(seen).toHaveLength(6)
  expect(seen.slice(3)).toEqual(seen.slice(0, 3))
  expect(seen[0]).toMatch(/retry after 7/)
})

test('a bot that handles chats concurrently can be compared by the order within each chat', async () => {
  const greets: Handlers = (bot) => {
    bot.on('message:text', async (ctx) => {
      await ctx.reply(`one for ${ctx.from.first_name}`)
      await ctx.reply(`two for ${ctx.from.first_name}`)
    })
  }
  const telegram = fresh()
  const account = telegram.createBot({ username: 'shop_bot' })
  const recording = telegram.records()
  await telegram.runs(makes(account, greets))
  for (const firstName of ['Alice', 'Bob', 'Carol']) {
    const person = telegram.createUser({ firstName })
    await person.to(account).sends('hi')
  }
  await telegram.settled()
  const text = recording.text()

  const again = fresh()
  const replay = again.replays(text, { order: 'chat' })
  const runner = run(makes(replay.bot('shop_bot'), greets))
  await replay.finished()
  await runner.stop()

  const strict = fresh()
  const strictly = strict.replays(text)
  const backwards: Handlers = (bot) => {
    bot.on('message:text', async (ctx) => {
      await ctx.reply(`two for ${ctx.from.first_name}`)
    })
  }
  await strict.runs(makes(strictly.bot('shop_bot'), backwards))
  await expect(strictly.finished()).rejects.toThrow(/text is 'two for Alice', and was 'one for Alice'/)
})

test('parameters that depend on the bot’s clock can be ignored; replay.now() is the time of the recording', async () => {
  let clock = () => 1_000_000
  const mutes: Handlers = (bot) => {
    bot.on('message:text', async (ctx) => {
      await ctx.restrictChatMember(ctx.from.id, { can_send_messages: false }, { until_date: clock() })
    })
  }
  const telegram = fresh()
  const recording = telegram.records()
  const account = telegram.createBot({ username: 'shop_bot' })
  const [alice, bob] = ['Alice', 'Bob'].map((firstName) => telegram.createUser({ firstName }))
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice!, members: [bob!], admins: [account] })
  await telegram.runs(makes(account, mutes))
  await bob!.in(plaza).sends('spam')
  await telegram.settled()
  clock = () => 2_000_000
  const again = fresh()
  const replay = again.replays(recording.text(), { ignore: ['until_date'] })
  await again.runs(makes(replay.bot('shop_bot'), mutes))
  await replay.finished()
  expect(replay.now()).toBe(telegram.clock.now())
  await expect(replayed(recording.text(), mutes)).rejects.toThrow(/until_date is 2000000, and was 1000000/)
})

test('files are compared by name and size, in parameters and in albums', async () => {
  const shows =
    (content: string): Handlers =>
    (bot) => {
      bot.on('message:text', async (ctx) => {
        const cat = () => new InputFile(Buffer.from(content), 'cat.jpg')
        await ctx.replyWithPhoto(cat(), { caption: 'A cat' })
        await ctx.replyWithMediaGroup([InputMediaBuilder.photo(cat()), InputMediaBuilder.photo(cat())])
      })
    }
  const telegram = fresh()
  const recording = telegram.records()
  const account = telegram.createBot({ username: 'shop_bot' })
  await telegram.runs(makes(account, shows('cat')))
  await telegram.createUser({ firstName: 'Alice' }).to(account).sends('Show me')
  await telegram.settled()
  expect(recording.text()).not.toContain('attach://')
  await replayed(recording.text(), shows('cat'))
  await expect(replayed(recording.text(), shows('a larger cat'))).rejects.toThrow(
    /sendPhoto, differs: photo\.file_size is 12, and was 3$/,
  )
})

test('a recording contains no token and no secret', async () => {
  const leaks: Handlers = (bot) => {
    bot.on('message:text', async (ctx) => {
      await ctx.reply(`Mine is ${bot.token}`)
      await ctx.api.setWebhook('http://127.0.0.1:9/', { secret_token: 'very-secret' }).catch(() => undefined)
      await ctx.api.deleteWebhook()
      await ctx.replyWithInvoice('A', 'B', 'c', 'EUR', [{ label: 'x', amount: 1 }], {
        provider_token: 'pay-secret',
      })
    })
  }
  const telegram = fresh()
  const recording = telegram.records()
  const account = telegram.createBot({ username: 'shop_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = makes(account, leaks)
  bot.use()
  await alice.to(account).sends(`Is ${account.token} yours?`)
  const [update] = await bot.api.getUpdates()
  await bot.init()
  await bot.handleUpdate(update!)
  const text = recording.text()
  expect(recording.length).toBe(3)
  expect(text).toContain('Mine is')
  expect(text).toContain(`Is ${account.id}:<redacted> yours?`)
  const secret = account.token.split(':')[1] as string
  for (const hidden of [secret, 'very-secret', 'pay-secret']) expect(text).not.toContain(hidden)
  await replayed(text, leaks)
})

test.each([
  ['', /line 1 is no JSON/],
  ['{"format":"grammy-sentinel recording","version":2,"startedAt":1}', /line 1 is not/],
  ['nonsense', /line 1 is no JSON/],
  ['{"format":"grammy-sentinel recording","version":1,"startedAt":1}\n{"call":1}', /line 2 is neither/],
  [
    '{"format":"grammy-sentinel recording","version":1,"startedAt":1}\n{"update":{"update_id":1},"to":1,"at":1}',
    /line 2 names a bot/,
  ],
])('%j is not a recording', (text, words) => {
  expect(() => fresh().replays(text)).toThrow(words)
})

test('a bot that is not in the recording is refused, with the names of those that are', async () => {
  const { text } = await recorded()
  expect(() => fresh().replays(text).bot('other_bot')).toThrow(
    '@other_bot is not in the recording. There is @shop_bot.',
  )
})

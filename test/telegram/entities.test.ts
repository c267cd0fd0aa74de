import { Bot } from 'grammy'
import { createTelegram } from '../../src/telegram/index.js'
import { findEntities } from '../../src/telegram/world/text/entities.js'

/** Returns the entities in a text as `type text`. */
const found = (text: string) =>
  findEntities(text).map(({ type, offset, length }) => `${type} ${text.slice(offset, offset + length)}`)

// The rules are those of td/telegram/MessageEntity.cpp.
describe('entities found in plain text', () => {
  test.each([
    ['the best casino.com in town', ['url casino.com']],
    ['(telegram.org), «grammy.dev»', ['url telegram.org', 'url grammy.dev']],
    ['see https://example.com, nice', ['url https://example.com']],
    ['see https://example.com/a?b=c#d.', ['url https://example.com/a?b=c#d']],
    ['(https://example.com/a_(b)) and', ['url https://example.com/a_(b)']],
    ['http://пример.рф/x и почта.рф', ['url http://пример.рф/x', 'url почта.рф']],
    ['HTTPS://EXAMPLE.COM', ['url HTTPS://EXAMPLE.COM']],
    ['xn--e1afmkfd.xn--p1ai:8080/?q=1', ['url xn--e1afmkfd.xn--p1ai:8080/?q=1']],
    ['example.com:65536', ['url example.com']],
    ['10.0.0.1 and http://10.0.0.1:80/a', ['url 10.0.0.1', 'url http://10.0.0.1:80/a']],
    ['http://a:b@example.com/c', ['url http://a:b@example.com/c']],
    [
      'tg://resolve?domain=durov. ton://transfer/a',
      ['url tg://resolve?domain=durov', 'url ton://transfer/a'],
    ],
    ['👉http://example.com/👍!', ['url http://example.com/👍']],
    ['one.com,two.org', ['url one.com', 'url two.org']],
  ])('links: %s', (text, expected) => expect(found(text)).toEqual(expected))

  test.each([
    'pay 1.5 now, version 1.2.3',
    'Thanks.Guys',
    'the file.xyzw',
    'telegram.Org',
    'http://example',
    'sftp://example.com',
    'http://bad_.com',
    '10.0.0.256',
    'a..b...c',
    'teiegram.org',
  ])('no links: %s', (text) => expect(found(text)).toEqual([]))

  test.each([
    ['write to me+bots@mail.example.com!', ['email me+bots@mail.example.com']],
    ['mailto:me@example.org', ['email me@example.org']],
    ['hello @durov, @ab, @GIF and me@durov', ['mention @durov', 'mention @GIF']],
    ['/start@my_bot now /stop, a/b, /no/path, /no@b', ['bot_command /start@my_bot', 'bot_command /stop']],
    ['#2024trend #a·b #42 x#y #a#b #tag@durov', ['hashtag #2024trend', 'hashtag #a·b', 'hashtag #tag@durov']],
    ['$USD $1INCH $usd $TOOLONGNAME US$ 5$USD', ['cashtag $USD', 'cashtag $1INCH']],
    ['example.com/#tag/@durov', ['url example.com/#tag/@durov']],
  ])('addresses, mentions, commands and tags: %s', (text, expected) => expect(found(text)).toEqual(expected))

  test('telephone numbers are not found, because the rule is unknown', () =>
    expect(found('call +1 212 555 23 68')).toEqual([]))
})

test('a bot that deletes links also sees links without a protocol', async () => {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'strict_bot' })
  const [alice, mallory] = ['Alice', 'Mallory'].map((firstName) => telegram.createUser({ firstName }))
  if (alice === undefined || mallory === undefined) throw new Error('who?')
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, members: [mallory], admins: [account] })
  const bot = new Bot(account.token, account.config)
  bot.on('message::url', (ctx) => ctx.deleteMessage())
  await telegram.runs(bot)
  await mallory.in(plaza).sends('best casino.com in town')
  await telegram.settled()
  expect(plaza.messages).toEqual([])
  await telegram.close()
})

test('links inside a link to an app are ignored, and hostile texts take linear time', () => {
  expect(found('tg://a/tg://b/c, tg://d')).toEqual(['url tg://a/tg://b/c', 'url tg://d'])
  // A quadratic search would look at each character some ten million times.
  const hostile = `${'tg://a/'.repeat(195)}${':'.repeat(2730)}a`
  expect(found(hostile)).toEqual([`url ${hostile}`])
})

test('texts of people are trimmed, and a command in them is an entity', async () => {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'trim_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const bot = new Bot(account.token, account.config)
  bot.command('start', (ctx) => ctx.reply('started'))
  await telegram.runs(bot)
  const said = await alice.to(account).sends(' \n/start  ')
  expect(said).toMatchObject({ text: '/start', entities: [{ type: 'bot_command', offset: 0, length: 6 }] })
  await alice.hears('started')
  const photo = await alice.to(account).sendsPhoto('cat', { caption: ' #cat ' })
  expect(photo).toMatchObject({
    caption: '#cat',
    caption_entities: [{ type: 'hashtag', offset: 0, length: 4 }],
  })
  expect(await alice.to(account).edits(said, ' /stop ')).toMatchObject({ text: '/stop' })
  await expect(alice.to(account).sends(' \n ')).rejects.toThrow(/an empty text/)
  await telegram.close()
})

import { Bot, webhookCallback } from 'grammy'
import { sentinel } from '../../src/index.js'
import { createTelegram } from '../../src/telegram/index.js'

test('behind a webhook that may be answered with a call, the menu and the answers to its buttons are separate calls', async () => {
  const telegram = createTelegram()
  const account = telegram.createBot({ username: 'guarded_bot' })
  const alice = telegram.createUser({ firstName: 'Alice' })
  const plaza = telegram.createGroup({ title: 'Plaza', owner: alice, admins: [account] })
  const bot = new Bot(account.token, {
    ...account.config,
    client: { ...account.config.client, canUseWebhookReply: () => true },
  })
  const guard = sentinel({ membership: false, settings: { notices: true } }).install(bot)
  const failures: unknown[] = []
  guard.on('error', ({ error }) => failures.push(error))
  const url = 'https://bot.example/hook'
  telegram.hosts(url, webhookCallback(bot, 'std/http'))
  await new Bot(account.token, account.config).api.setWebhook(url)
  await alice.in(plaza).sends('/sentinel')
  const menu = await alice.hears('Settings of this chat', { in: plaza })
  const tap = await alice.in(plaza).taps(menu, 'Turn notices off')
  expect(await tap.answer).toMatchObject({ text: 'Saved.' })
  expect((await guard.settings.of(plaza.id)).notices).toBe(false)
  await alice.to(account).sends('/sentinel')
  await alice.hears('Groups have settings')
  expect(failures).toEqual([])
  await guard.close()
  await telegram.close()
})

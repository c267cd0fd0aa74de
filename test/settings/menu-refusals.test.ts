import { type Sentinel, type SentinelOptions, sentinel } from '../../src/index.js'
import type { Person, TelegramGroup } from '../../src/telegram/index.js'
import { type GuardedContext, type Rig, rig, Stage } from '../middleware/rig.js'
import { idle } from '../sentinel/desk.js'
import { settled } from '../storage/outage.js'

const ADMINS_ONLY = 'Only administrators of this chat may change its settings.'
const MENU = /^Settings of this chat/

let at: Rig
let time: Stage
let guard: Sentinel<GuardedContext>
let plaza: TelegramGroup
let people: Person[]
let failures: string[]

/** A bot in a group that Alice owns, with sixty members. */
async function open(isAdmin = true, options: SentinelOptions = {}): Promise<void> {
  time = new Stage()
  guard = sentinel<GuardedContext>({
    settings: { notices: true },
    clock: time.clock,
    timers: time.timers,
    ...options,
  })
  failures = []
  guard.on('error', ({ error }) => failures.push((error as Error).message))
  at = await rig(guard)
  people = Array.from({ length: 60 }, (_, i) => at.telegram.createUser({ firstName: `P${i}` }))
  plaza = at.telegram.createGroup({
    title: 'Plaza',
    owner: at.alice,
    members: isAdmin ? people : [...people, at.account],
    admins: isAdmin ? [at.account] : [],
  })
  at.start()
}

afterEach(async () => {
  await at.stop()
  await guard.close()
})

async function quiet(): Promise<void> {
  await at.settled()
  await idle(guard)
}

async function ask(...who: readonly Person[]): Promise<void> {
  for (const person of who) await person.in(plaza).sends('/sentinel@guarded_bot')
  await quiet()
}

describe('the refusal of /sentinel', () => {
  test('is sent once a minute to the same person, about whom Telegram is not asked meanwhile', async () => {
    await open()
    const [bob] = people as [Person]
    await ask(bob, bob, bob)
    expect(at.telegram.calls('sendMessage').map(({ params }) => params.text)).toEqual([ADMINS_ONLY])
    expect(at.telegram.calls('getChatAdministrators')).toHaveLength(1)
    time.advance(60_000)
    await ask(bob)
    expect(at.telegram.calls('sendMessage')).toHaveLength(2)
  })

  test('counts as a notice of the group: at most five are sent at once', async () => {
    await open()
    await ask(...people.slice(0, 20))
    expect(at.telegram.calls('sendMessage')).toHaveLength(5)
    await ask(at.alice)
    expect(at.alice.hasHeard(MENU)).toBeDefined()
  })

  test('is not sent where it would be public', async () => {
    await open(false)
    for (const person of people.slice(0, 2)) await ask(person)
    expect(at.telegram.calls('sendMessage').map(({ result }) => result?.ok)).toEqual([false])
    expect(failures).toEqual([])
  })

  test('takes no room from notices where it is not sent', async () => {
    await open(false, { throttle: '1/1h' })
    for (const person of people.slice(0, 10)) await ask(person)
    for (let i = 0; i < 2; i++) await ask(at.alice)
    const texts = at.telegram.calls('sendMessage').map(({ params }) => params.text)
    expect(texts).toEqual([ADMINS_ONLY, expect.stringMatching(MENU), expect.stringMatching(/^Slow down/)])
  })
})

describe('the menu of an ephemeral command', () => {
  test.each([true, false])(
    'is visible only to whoever sent it; the bot is an administrator: %s',
    async (isAdmin) => {
      await open(isAdmin)
      await at.bot.api.setMyCommands([{ command: 'sentinel', description: 'Settings', is_ephemeral: true }])
      await ask(at.alice)
      const menu = await at.alice.hears(MENU)
      expect(people[0]?.hasHeard(MENU)).toBeUndefined()
      const tap = await at.alice.in(plaza).taps(menu, 'Turn notices off')
      expect((await tap.answer).text).toBe('Saved.')
      await at.alice.hears(/Notices: off/)
      await at.alice.in(plaza).taps(menu, 'Close')
      await at.alice.hears('The settings are closed.')
      await quiet()
      expect(people[0]?.hasHeard(/Notices|closed/)).toBeUndefined()
      expect(failures).toEqual([])
    },
  )
})

test('an ephemeral command is never answered in public, even if the Bot API server ignores the parameters', async () => {
  await open()
  at.bot.api.config.use((prev, method, payload, signal) => {
    const sent: Record<string, unknown> = { ...payload }
    delete sent.ephemeral_message_parameters
    delete sent.reply_parameters
    return prev(method, sent as typeof payload, signal)
  })
  await at.bot.api.setMyCommands([{ command: 'sentinel', description: 'Settings', is_ephemeral: true }])
  await ask(at.alice, ...people.slice(0, 3))
  expect(at.telegram.calls('sendMessage').length).toBeGreaterThan(0)
  expect(plaza.messages.filter(({ from }) => from?.is_bot)).toEqual([])
  expect(failures).toEqual(['the Bot API server does not know ephemeral messages'])
})

describe('a tap on the menu', () => {
  test('leaves no request under way when Telegram does not tell the administrators in time', async () => {
    await open()
    await ask(at.alice)
    const menu = await at.alice.hears(MENU)
    let hanging = 0
    at.bot.api.config.use((prev, method, payload, signal) => {
      if (method !== 'getChatAdministrators') return prev(method, payload, signal)
      hanging++
      signal?.addEventListener('abort', () => hanging--)
      return new Promise(() => undefined)
    })
    for (const person of people.slice(0, 10)) await person.in(plaza).taps(menu, 'Turn notices off')
    await at.settled()
    await settled()
    expect(hanging).toBe(10)
    time.advance(5000)
    await quiet()
    expect(hanging).toBe(0)
  })

  test('is answered although Telegram does not tell the administrators, even if very many tap', async () => {
    await open()
    await ask(at.alice)
    const menu = await at.alice.hears(MENU)
    at.bot.api.config.use((prev, method, payload, signal) =>
      method === 'getChatAdministrators' ? new Promise(() => undefined) : prev(method, payload, signal),
    )
    const taps = []
    for (const person of people) taps.push(await person.in(plaza).taps(menu, 'Turn notices off'))
    await at.settled()
    await settled()
    time.advance(5000)
    await quiet()
    const texts = (await Promise.all(taps.map(({ answer }) => answer))).map(({ text }) => text)
    // A chat gets a fifth of the background work. Taps beyond that are answered without a text.
    const answered = texts.filter((text) => text !== undefined)
    expect(answered.length).toBeGreaterThan(50)
    expect(new Set(answered)).toEqual(new Set(['That could not be done. Try again in a moment.']))
    expect((await guard.settings.of(plaza.id)).notices).toBe(true)
    expect(new Set(failures)).toEqual(
      new Set([
        'too much work in progress',
        'settings.menu: Telegram did not tell the administrators within 5000 ms.',
      ]),
    )
  })

  test('takes at most half of the places for background work, if its answers hang as well', async () => {
    await open(true, { debounce: false, throttle: false })
    await ask(at.alice)
    const menu = await at.alice.hears(MENU)
    let release: () => void = () => undefined
    const released = new Promise<void>((done) => {
      release = done
    })
    at.bot.api.config.use(async (prev, method, payload, signal) => {
      if (['getChatAdministrators', 'answerCallbackQuery'].includes(method)) await released
      return prev(method, payload, signal)
    })
    for (let i = 0; i < 3; i++)
      for (const person of people) await person.in(plaza).taps(menu, 'Turn notices off')
    await at.settled()
    const { running } = (await guard.health()).background
    release()
    await quiet()
    expect(running).toBe(128)
  })
})

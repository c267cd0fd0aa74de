import { setTimeout as pause } from 'node:timers/promises'
import type { Update } from 'grammy/types'
import { type Key, type Sentinel, subject, subjectKey, userKey } from 'grammy-sentinel'
import type { Person, Telegram, TelegramBot, TelegramGroup } from 'grammy-sentinel/testing'
import { BURST, type GuardedContext } from './bot.js'
import { type Account, type Ledger, stoppedBy } from './ledger.js'

/** The environment of the actors. */
export interface Scene {
  readonly telegram: Telegram
  readonly account: TelegramBot
  readonly guard: Sentinel<GuardedContext>
  readonly ledger: Ledger
  /** Returns the next sentence to say. */
  readonly says: () => string
}

/** A check at the end, with a description of the result. */
export interface Fact {
  readonly ok: boolean
  readonly says: string
}

/** A scripted participant. */
export interface Actor {
  readonly name: string
  readonly role: string
  /** The treatment that this role should get. */
  readonly expected: string
  /** The keys by which the guard knows the actor's accounts, with a name for each. */
  readonly keys: ReadonlyMap<Key, string>
  /** Updates caused so far; each must have been admitted or stopped. */
  sent: number
  plays(): Promise<void>
  /** Checks how the actor was treated, at the end. */
  facts(seen: Account): readonly Fact[]
}

const CHATTERS_SAY = 7
const FLOOD_OF = 30
const RAID_OF = 6
const ALBUM_OF = 10
const TALK_AFTER_ALBUM = BURST - 1

/** All actors, in the order of the program. */
export function castOf(scene: Scene): Actor[] {
  const { telegram, account } = scene
  const person = (firstName: string): Person => telegram.createUser({ firstName })
  const [ada, bea, boris, mallory] = [person('Ada'), person('Bea'), person('Boris'), person('Mallory')]
  const groupOf = (title: string, owner: Person, members: Person[]): TelegramGroup =>
    telegram.createGroup({ title, owner, members, admins: [account] })
  const plaza = groupOf('Plaza', ada, [boris, mallory])
  const market = groupOf('Market', bea, [])
  return [
    chatter(scene, person('Anna'), undefined),
    chatter(scene, boris, plaza),
    flooder(scene, person('Felix')),
    doubleTapper(scene, person('Dora')),
    blocked(scene, mallory, plaza),
    unregistered(scene, person('Nina')),
    albumSender(scene, person('Alba')),
    anonymousAdmin(scene, ada, plaza, ['/menu']),
    anonymousAdmin(scene, bea, market, []),
    raid(
      scene,
      Array.from({ length: RAID_OF }, (_, index) => person(`Raider ${index + 1}`)),
      plaza,
    ),
    redelivered(scene, person('Rita')),
  ]
}

/** Writes at a normal pace. */
function chatter({ account, says }: Scene, who: Person, group: TelegramGroup | undefined): Actor {
  const chat = group === undefined ? who.to(account) : who.in(group)
  return {
    ...introduced(who, group === undefined ? 'chatter' : 'chatter in a group'),
    expected: `all ${CHATTERS_SAY} sentences pass`,
    async plays() {
      for (let i = 0; i < CHATTERS_SAY; i++) {
        await chat.sends(says())
        this.sent++
        await pause(500 + 150 * (i % 3))
      }
    },
    facts: (seen) => [passed(seen, CHATTERS_SAY), stopped(seen, 0)],
  }
}

/** Sends all messages at once. */
function flooder({ account, says }: Scene, who: Person): Actor {
  return {
    ...introduced(who, 'flooder'),
    expected: `of ${FLOOD_OF} sentences at once some pass, the rest is stopped by throttle and told so once`,
    async plays() {
      await pause(1000)
      for (; this.sent < FLOOD_OF; this.sent++) await who.to(account).sends(says())
    },
    facts(seen) {
      const floods = stoppedBy(seen.stopped, 'throttle')
      const notices = who.heard.filter(({ text }) => text?.startsWith('Noted') !== true).length
      return [
        { ok: seen.passed >= BURST, says: `${seen.passed} passed` },
        stopped(seen, FLOOD_OF - seen.passed, 'throttle'),
        // The bucket refills while the flood is handled; no machine is so slow that this makes up for half of the flood.
        { ok: floods >= FLOOD_OF / 2, says: `${floods} of ${FLOOD_OF} held back` },
        { ok: notices === 1, says: `told ${times(notices)}` },
      ]
    },
  }
}

/** Taps a button twice in quick succession. */
function doubleTapper({ account }: Scene, who: Person): Actor {
  const answers: (string | undefined)[] = []
  return {
    ...introduced(who, 'double-tapper'),
    expected: 'one of two taps is handled, debounce stops the other, both are answered',
    async plays() {
      await pause(600)
      const chat = who.to(account)
      await chat.sends('/menu')
      const menu = await who.hears('What will it be?')
      const taps = [await chat.taps(menu, 'Coffee'), await chat.taps(menu, 'Coffee')]
      this.sent = 3
      for (const tap of taps) answers.push((await tap.answer).text)
    },
    facts: (seen) => [
      passed(seen, 2),
      stopped(seen, 1, 'debounce'),
      {
        ok: answers.length === 2 && answers[0] !== undefined && answers[1] === undefined,
        says: `answered ${answers.map((text) => (text === undefined ? 'nothing' : `“${text}”`)).join(' and ')}`,
      },
    ],
  }
}

/** Is on the block list from the start. */
function blocked({ account, guard, says }: Scene, who: Person, group: TelegramGroup): Actor {
  let answer: string | undefined = 'not yet'
  return {
    ...introduced(who, 'blocked'),
    expected: 'block stops everything, no message comes back, the tapped button gets an empty answer',
    async plays() {
      await guard.block(who.id, { reason: 'spam' })
      const menu = await who.hears('What will it be?', { in: group })
      await who.to(account).sends(says())
      await who.to(account).sends('/start')
      await who.in(group).sends(says())
      const tap = await who.in(group).taps(menu, 'Coffee')
      this.sent = 4
      answer = (await tap.answer).text
    },
    facts(seen) {
      const heard = who.heard.filter(({ chat }) => chat.type === 'private').length
      return [
        passed(seen, 0),
        stopped(seen, 4, 'block'),
        { ok: heard === 0, says: `heard from ${times(heard)}` },
        {
          ok: answer === undefined,
          says: `button answered ${answer === undefined ? 'empty' : `“${answer}”`}`,
        },
      ]
    },
  }
}

/** Is not registered at first, and registers later. */
function unregistered({ account }: Scene, who: Person): Actor {
  return {
    ...introduced(who, 'unregistered'),
    expected: 'auth stops /vip with a notice, other commands pass; once registered, /vip passes',
    async plays() {
      await pause(300)
      const chat = who.to(account)
      const asks = async (command: string, answer: RegExp): Promise<void> => {
        const asked = await chat.sends(command)
        this.sent++
        await who.hears(answer, { after: asked })
        await pause(400)
      }
      await asks('/vip', /./)
      await asks('/help', /behind a guard/)
      await asks('/register', /You are registered/)
      await asks('/vip', /Welcome to the lounge/)
    },
    facts(seen) {
      const welcomes = who.heard.filter(({ text }) => text?.includes('lounge') === true).length
      return [
        passed(seen, 3),
        stopped(seen, 1, 'auth'),
        { ok: welcomes === 1, says: `let into the lounge ${times(welcomes)}` },
        { ok: who.heard.length === 4, says: `${who.heard.length} answers to 4 commands` },
      ]
    },
  }
}

/** Sends an album with more photos than the number of messages allowed at once. */
function albumSender({ account, says }: Scene, who: Person): Actor {
  const all = ALBUM_OF + TALK_AFTER_ALBUM
  return {
    ...introduced(who, 'album sender'),
    expected: `an album of ${ALBUM_OF} costs one: it passes, and ${TALK_AFTER_ALBUM} sentences with it`,
    async plays() {
      await pause(1600)
      const photos = Array.from({ length: ALBUM_OF }, (_, index) => `photo ${index + 1}.jpg`)
      await who.to(account).sendsAlbum(photos, { caption: 'My holidays' })
      for (let i = 0; i < TALK_AFTER_ALBUM; i++) await who.to(account).sends(says())
      this.sent = all
    },
    facts: (seen) => [passed(seen, all), stopped(seen, 0)],
  }
}

/**
 * Writes as the group itself. Telegram uses one user, GroupAnonymousBot, for the anonymous administrators of all groups. Two
 * groups together send more than one actor may, so both are admitted only if each group has a budget of its own.
 */
function anonymousAdmin({ says }: Scene, who: Person, group: TelegramGroup, first: readonly string[]): Actor {
  return {
    ...introduced(who, `anonymous in ${group.title}`),
    keys: new Map([[subjectKey(subject.sender(group.id)), `${who.firstName}, anonymous`]]),
    expected: `all ${BURST - 1} messages pass, though another group's administrators are as anonymous`,
    async plays() {
      const lines = [...first, ...Array.from({ length: BURST - 1 - first.length }, says)]
      for (const text of lines) {
        await who.in(group).anonymously().sends(text)
        this.sent++
        await pause(120)
      }
    },
    facts: (seen) => [passed(seen, BURST - 1), stopped(seen, 0)],
  }
}

/** Several accounts that join at once; then one of them writes. */
function raid({ ledger, says }: Scene, raiders: readonly Person[], group: TelegramGroup): Actor {
  const [speaker] = raiders as readonly [Person, ...Person[]]
  // Each join causes two updates: chat_member and a service message.
  const ofJoins = 2 * raiders.length
  return {
    ...introduced(speaker, 'raid'),
    name: `Raiders 1 to ${raiders.length}`,
    keys: new Map(raiders.map(({ id, firstName }) => [userKey(id), firstName])),
    expected: `all ${raiders.length} joins pass and are told; the one who writes is blocked, and stopped from then on`,
    async plays() {
      await pause(2200)
      const isBlocked = told(ledger, userKey(speaker.id))
      for (const raider of raiders) await raider.in(group).joins()
      this.sent = ofJoins
      await pause(600)
      await speaker.in(group).sends('Join our channel, earn from home!')
      this.sent++
      await ledger.until('the raider is blocked', isBlocked)
      await pause(400)
      for (let i = 0; i < 3; i++) await speaker.in(group).sends(says())
      this.sent += 3
    },
    facts: (seen) => [
      { ok: seen.joined === raiders.length, says: `told of ${seen.joined} joins` },
      passed(seen, ofJoins + 1),
      stopped(seen, 3, 'block'),
    ],
  }
}

/** An actor whose message Telegram delivers three times. */
function redelivered({ telegram, account, ledger, says }: Scene, who: Person): Actor {
  let update: Update | undefined
  return {
    ...introduced(who, 'redelivered'),
    expected: 'a message that is delivered three times is handled once',
    async plays() {
      await pause(2800)
      const stop = ledger.listen((happening) => {
        if (happening.type === 'decided' && happening.who === userKey(who.id)) update = happening.ctx.update
      })
      await who.to(account).sends(says())
      this.sent++
      await ledger.until('the message came', () => update !== undefined)
      stop()
      for (; this.sent < 3; this.sent++) telegram.deliver(account, update as Update)
    },
    facts: (seen) => [
      passed(seen, 1),
      stopped(seen, 2, 'once'),
      { ok: who.heard.length === 1, says: `answered ${times(who.heard.length)}` },
    ],
  }
}

function introduced(who: Person, role: string): Pick<Actor, 'name' | 'role' | 'keys' | 'sent'> {
  return { name: who.firstName, role, keys: new Map([[userKey(who.id), who.firstName]]), sent: 0 }
}

function passed(seen: Account, wanted: number): Fact {
  return { ok: seen.passed === wanted, says: `${seen.passed} passed` }
}

/** Checks that this many updates were stopped, all of them by the given guard. */
function stopped(seen: Account, wanted: number, guard?: string): Fact {
  const by = [...seen.stopped].map(([name, count]) => `${count} by ${name}`).join(', ')
  const right =
    stoppedBy(seen.stopped) === wanted && (guard === undefined || stoppedBy(seen.stopped, guard) === wanted)
  return { ok: right, says: by === '' ? 'none stopped' : `stopped ${by}` }
}

function times(count: number): string {
  return count === 0 ? 'never' : count === 1 ? 'once' : `${count} times`
}

/** Returns a function that tells whether a block has been reported. */
function told(ledger: Ledger, who: Key): () => boolean {
  let yes = false
  ledger.listen((happening) => {
    if (happening.type === 'blocked' && happening.who === who) yes = true
  })
  return () => yes
}

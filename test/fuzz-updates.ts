import type { Update } from 'grammy/types'
import { ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID, type UpdateKind } from '../src/index.js'

export type Random = () => number

/** What an update is made from. */
interface Gene {
  readonly kind: UpdateKind
  readonly id: number
}

type Tree = Record<string, unknown>

/** A generator of numbers from 0 to 1 that a seed repeats (mulberry32). */
export function randomOf(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

export function pick<T>(random: Random, from: readonly T[]): T {
  return from[Math.floor(random() * from.length)] as T
}

/** Mostly the same few people, so that limits are reached; sometimes somebody new, so that tables fill. */
function someone(random: Random): Tree {
  const id = random() < 0.93 ? 1 + Math.floor(random() * 12) : 100 + Math.floor(random() * 1e9)
  const standIn = random() < 0.05
  return {
    id: standIn ? pick(random, [ANONYMOUS_ADMIN_ID, CHANNEL_SENDER_ID, TELEGRAM_ID]) : id,
    is_bot: standIn,
    first_name: 'Somebody',
    language_code: pick(random, ['en', 'ru', 'pt-br', '__proto__', 'x'.repeat(40)]),
  }
}

function somewhere(random: Random, user: Tree): Tree {
  const type = pick(random, ['private', 'private', 'group', 'supergroup', 'channel'])
  if (type === 'private') return { id: user.id, type, first_name: 'Somebody' }
  const id = random() < 0.9 ? -1000 - Math.floor(random() * 12) : -1e6 - Math.floor(random() * 1e9)
  return { id, type, title: 'Somewhere' }
}

const TEXTS = ['hello', '+', '/vip', '/start now', '/buy@guarded_bot 2', '/buy@other_bot', 'привет', '😀', '']

function message(random: Random, user = someone(random), chat = somewhere(random, user)): Tree {
  const text = pick(random, TEXTS)
  const slash = text.startsWith('/')
    ? { entities: [{ type: 'bot_command', offset: 0, length: text.split(' ')[0]?.length }] }
    : {}
  const extra = pick<Tree>(random, [
    {},
    {},
    {},
    { sender_chat: { id: random() < 0.5 ? chat.id : -1003, type: 'channel', title: 'Voice' } },
    {
      media_group_id: pick(random, ['a', 'b', 'c']),
      photo: [{ file_unique_id: 'p', file_id: 'p' }],
      caption: text,
    },
    { is_automatic_forward: true },
    { new_chat_members: [someone(random)] },
    { left_chat_member: someone(random) },
    { pinned_message: {} },
    { successful_payment: { currency: 'XTR', total_amount: 1 } },
    { sticker: { file_unique_id: 's' } },
    { poll: { id: 'p', options: [] } },
    { is_topic_message: true, message_thread_id: 5 },
    { business_connection_id: 'b', sender_business_bot: random() < 0.3 ? someone(random) : undefined },
  ])
  return {
    message_id: Math.floor(random() * 1000),
    date: 1_767_225_600,
    chat,
    from: user,
    text,
    ...slash,
    ...extra,
  }
}

function member(random: Random, user: Tree): Tree {
  const status = pick(random, ['creator', 'administrator', 'member', 'restricted', 'left', 'kicked'])
  return { status, user, is_member: random() < 0.5, until_date: 0 }
}

function membership(random: Random): Tree {
  const from = someone(random)
  const who = random() < 0.5 ? from : someone(random)
  return {
    chat: somewhere(random, from),
    from,
    date: 1_767_225_600,
    old_chat_member: member(random, who),
    new_chat_member: member(random, who),
    invite_link: { invite_link: 'https://t.me/+x' },
  }
}

const MAKERS: Readonly<Record<UpdateKind, (random: Random) => Tree>> = {
  message,
  edited_message: message,
  business_message: message,
  edited_business_message: message,
  guest_message: message,
  channel_post: (random) => message(random, undefined, { id: -1003, type: 'channel', title: 'News' }),
  edited_channel_post: (random) => message(random, undefined, { id: -1003, type: 'channel', title: 'News' }),
  callback_query: (random) => ({
    id: 'q',
    from: someone(random),
    chat_instance: 'c',
    ...pick<Tree>(random, [{ message: message(random) }, { inline_message_id: 'i' }]),
    ...pick<Tree>(random, [{ data: 'buy' }, { data: 'sell' }, { game_short_name: 'chess' }]),
  }),
  inline_query: (random) => ({ id: 'q', from: someone(random), query: pick(random, TEXTS), offset: '' }),
  chosen_inline_result: (random) => ({ result_id: 'r', from: someone(random), query: pick(random, TEXTS) }),
  chat_member: membership,
  my_chat_member: membership,
  chat_join_request: (random) => ({ ...membership(random), user_chat_id: 1, bio: 'hi', query_id: 'q' }),
  message_reaction: (random) => ({
    chat: somewhere(random, someone(random)),
    message_id: 1,
    date: 1,
    ...pick<Tree>(random, [
      { user: someone(random) },
      { actor_chat: { id: -1001000000001, type: 'supergroup' } },
    ]),
    old_reaction: [],
    new_reaction: [{ type: 'emoji', emoji: '👍' }],
  }),
  message_reaction_count: (random) => ({
    chat: somewhere(random, someone(random)),
    message_id: 1,
    reactions: [],
  }),
  poll: () => ({ id: 'p', question: '?', options: [], is_closed: true }),
  poll_answer: (random) => ({
    poll_id: 'p',
    option_ids: [0],
    ...pick<Tree>(random, [{ user: someone(random) }, { voter_chat: { id: -1003, type: 'channel' } }]),
  }),
  pre_checkout_query: (random) => ({ id: 'q', from: someone(random), currency: 'XTR', total_amount: 1 }),
  shipping_query: (random) => ({
    id: 'q',
    from: someone(random),
    invoice_payload: 'x',
    shipping_address: {},
  }),
  purchased_paid_media: (random) => ({ from: someone(random), paid_media_payload: 'x' }),
  business_connection: (random) => ({ id: 'b', user: someone(random), user_chat_id: 1, date: 1 }),
  deleted_business_messages: (random) => ({
    business_connection_id: 'b',
    chat: somewhere(random, someone(random)),
  }),
  stopped_message_generation: (random) => ({ chat: somewhere(random, someone(random)) }),
  chat_boost: (random) => ({
    chat: somewhere(random, someone(random)),
    boost: { source: { user: someone(random) } },
  }),
  removed_chat_boost: (random) => ({
    chat: somewhere(random, someone(random)),
    source: { user: someone(random) },
  }),
  managed_bot: (random) => ({ user: someone(random), bot: someone(random) }),
  subscription: (random) => ({ user: someone(random), amount: 1 }),
}

/** An update as Telegram would send it. */
export function updateOf({ kind, id }: Gene, random: Random): Update {
  // Repeated ids, or ids far away.
  const update_id = random() < 0.9 ? id : pick(random, [id - 1, 1, 2 ** 40 + id, 0])
  return { update_id, [kind]: MAKERS[kind](random) } as unknown as Update
}

const LONG = 'long '.repeat(1000)

function deep(): Tree {
  let tree: Tree = {}
  for (let i = 0; i < 500; i++) tree = { chat: tree, message: [tree] }
  return tree
}

const DEEP = deep()
const JUNK: readonly unknown[] = [
  null,
  undefined,
  true,
  0,
  -0,
  -1,
  0.5,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  2 ** 53,
  -(2 ** 63),
  1e308,
  5e-324,
  ANONYMOUS_ADMIN_ID,
  '',
  '0',
  'constructor',
  '__proto__',
  'toString',
  '\ud800',
  '/vip\udfff',
  '\u0000',
  '{}:u1',
  LONG,
  [],
  [[]],
  [null],
  {},
  { id: 7 },
  { id: '7' },
  { id: { valueOf: 7 } },
  { length: 2 ** 31 },
  // Cannot be converted to a text or a number.
  { toString: 'no function', valueOf: 7 },
  DEEP,
]
const KEYS = [
  '__proto__',
  'constructor',
  'prototype',
  'hasOwnProperty',
  'toString',
  'valueOf',
  'then',
  'id',
  'chat',
]
const POISON = { polluted: true, id: 7, type: 'private', is_bot: false, isAdmin: true }

/** Changes an update in up to four places; one in five stays as it is. */
export function mutated(update: Update, random: Random): Update {
  if (random() < 0.2) return update
  for (let times = 1 + Math.floor(random() * 4); times > 0; times--) hurt(update as unknown as Tree, random)
  return update
}

function hurt(root: Tree, random: Random): void {
  let tree = root
  for (let depth = Math.floor(random() * 5); depth > 0; depth--) {
    const inner: unknown = tree[pick(random, Object.keys(tree))]
    if (typeof inner !== 'object' || inner === null || inner === DEEP || Object.keys(inner).length === 0)
      break
    // Junk is shared between updates and must not be changed.
    if (JUNK.includes(inner)) break
    tree = inner as Tree
  }
  const keys = Object.keys(tree)
  const key = keys.length === 0 ? 'id' : pick(random, keys)
  const way = random()
  if (way < 0.5) put(tree, key, pick(random, JUNK))
  else if (way < 0.65) delete tree[key]
  else if (way < 0.9) put(tree, pick(random, KEYS), random() < 0.5 ? { ...POISON } : pick(random, JUNK))
  else put(tree, pick(random, ['message', 'chat_member', 'callback_query', 'unheard_of']), pick(random, JUNK))
}

/** Sets an own key, as JSON.parse does: an assignment to `__proto__` would set the prototype instead. */
function put(tree: Tree, key: string, value: unknown): void {
  Object.defineProperty(tree, key, { value, enumerable: true, configurable: true, writable: true })
}

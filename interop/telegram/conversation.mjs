import { deepEqual, equal } from 'node:assert/strict'

/**
 * The same for every client: a greeting, a tap, files both ways, a ban. Whatever the bot does is looked at from Telegram's
 * side.
 */
export async function converse(telegram, account) {
  const alice = telegram.createUser({ firstName: 'Alice' })
  const mallory = telegram.createUser({ firstName: 'Mallory' })
  const plaza = telegram.createGroup({
    title: 'Plaza',
    owner: alice,
    members: [mallory],
    admins: [account],
  })

  await alice.to(account).sends('/start')
  const welcome = await alice.hears('Welcome, Alice')
  const tap = await alice.to(account).taps(welcome, 'Buy')
  equal((await tap.answer).text, 'Sold')
  const bought = await alice.hears('Bought')
  equal(bought.message_id, welcome.message_id)

  await alice.to(account).sends('/receipt')
  const receipt = await alice.hears('Here you are')
  deepEqual([receipt.document?.file_name, receipt.document?.file_size], ['receipt.txt', 7])

  await alice.to(account).sendsDocument('list.txt', { content: 'cats, dogs' })
  await alice.hears('It says: cats, dogs')

  const spam = await mallory.in(plaza).sends('best casino in town')
  const ban = await telegram.called('banChatMember')
  deepEqual([ban.result?.ok, plaza.member(mallory).status], [true, 'kicked'])
  equal(
    plaza.messages.some(({ message_id }) => message_id === spam.message_id),
    false,
  )
  await telegram.settled()
  const refused = telegram
    .calls()
    .filter(({ method, result }) => method !== 'getUpdates' && result?.ok === false)
  deepEqual(refused, [])
}

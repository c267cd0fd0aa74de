import { deepEqual } from 'node:assert/strict'

/** A person who shows a code to a phone that is logged in, as Telegram Desktop has it. */
export async function byCode(checks, { telegram, face, open }) {
  const frank = telegram.createUser({ firstName: 'Frank', languageCode: 'de' })
  const group = telegram.createGroup({ title: 'Quiet', owner: frank })
  const client = open('the one with the code')
  await checks.that('a code is shown, scanned, and lets in', async () => {
    await client.ready
    await client.authorization('authorizationStateWaitPhoneNumber')
    await client.call({ _: 'requestQrCodeAuthentication', other_user_ids: [] })
    const { authorization_state } = await client.authorization(
      'authorizationStateWaitOtherDeviceConfirmation',
    )
    face.scan(frank, authorization_state.link)
    await client.authorization('authorizationStateReady')
    deepEqual((await client.call({ _: 'getMe' })).id, frank.id)
  })
  await checks.that('what was written in its group meanwhile is there', async () => {
    await frank.in(group).sends('a note to myself')
    await client.loadAll()
    deepEqual(await client.history(group.id), ['a note to myself'])
  })
}

import type { Caller } from '../../src/mtproto/client/calls/caller.js'
import { MtprotoRefusal } from '../../src/mtproto/client/calls/refusal.js'
import { COMMON } from '../../src/mtproto/client/updates/progress.js'
import { Refetching } from '../../src/mtproto/client/updates/refetch.js'
import { all } from './stage.js'

/** A caller whose calls are all refused. */
function refused(reason: string): Caller {
  const call = ({ _: method }: { readonly _: string }) => Promise.reject(new MtprotoRefusal(method, reason))
  return { call, channel: async () => ({ _: 'inputChannel', channelId: 5, accessHash: 0 }) } as never
}

function refetching(): Refetching {
  const made = new Refetching({ get: async () => null } as never)
  for (const box of [COMMON, 5]) made.saw(box, 10)
  return made
}

describe('updates missed for too long', () => {
  test.each(['CHANNEL_PRIVATE', 'CHANNEL_INVALID', 'CHANNEL_PUBLIC_GROUP_NA'])(
    'are skipped if the account has lost access (%s)',
    async (reason) => {
      expect(await all(refetching().ofChannel(refused(reason), 5, 20))).toEqual([])
    },
  )

  test.each(['INTERNAL_SERVER_ERROR', 'AUTH_KEY_UNREGISTERED', 'TIMEOUT'])(
    'are kept for later if Telegram answers %s',
    async (reason) => {
      await expect(all(refetching().ofChannel(refused(reason), 5, 20))).rejects.toMatchObject({ reason })
      await expect(all(refetching().ofAccount(refused(reason)))).rejects.toMatchObject({ reason })
    },
  )
})

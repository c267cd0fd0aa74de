import type { ChatInviteLink } from 'grammy/types'
import { describeInvite } from '../../world/chats/describe-invite.js'
import type { InviteLink, InviteTerms } from '../../world/chats/invite-link.js'
import { createInvite, editInvite, exportInvite, revokeInvite } from '../../world/chats/invites.js'
import { decideJoinRequest } from '../../world/chats/membership.js'
import { badRequest } from '../../world/refusal.js'
import type { JoinAnswer } from '../../world/world.js'
import { type Call, type Methods, required, sharedChatOf } from '../call.js'
import type { Params } from '../params.js'

const RESULTS: readonly string[] = ['approve', 'decline', 'queue'] satisfies JoinAnswer[]

export const inviteMethods: Methods = {
  exportChatInviteLink: (call) => exportInvite(call.world, sharedChatOf(call), call.bot).url,

  createChatInviteLink: (call) =>
    described(call, createInvite(call.world, sharedChatOf(call), call.bot, termsOf(call.params))),

  editChatInviteLink(call) {
    const { world, bot, params } = call
    return described(call, editInvite(world, sharedChatOf(call), bot, linkOf(params), termsOf(params)))
  },

  revokeChatInviteLink: (call) =>
    described(call, revokeInvite(call.world, sharedChatOf(call), call.bot, linkOf(call.params))),

  approveChatJoinRequest: (call) => decide(call, true),
  declineChatJoinRequest: (call) => decide(call, false),

  answerChatJoinRequestQuery({ world, bot, params }) {
    const result = params.text('result') ?? ''
    if (!RESULTS.includes(result)) throw badRequest('invalid join request query result specified')
    const id = params.text('chat_join_request_query_id') ?? ''
    return world.joinQueries.answer(id, bot.id, result as JoinAnswer)
  },
}

function decide(call: Call, approve: boolean): true {
  const chat = sharedChatOf(call)
  const userId = required(call, 'user_id', 'invalid user_id specified')
  decideJoinRequest(call.world, chat, call.bot, userId, approve)
  return true
}

function termsOf(params: Params): InviteTerms {
  // Zero means none, as in Telegram.
  return {
    name: params.text('name'),
    expireDate: params.integer('expire_date') || undefined,
    memberLimit: params.integer('member_limit') || undefined,
    createsJoinRequest: params.flag('creates_join_request'),
  }
}

function linkOf(params: Params): string {
  const url = params.text('invite_link') ?? ''
  if (url === '') throw badRequest('invite link is not specified')
  return url
}

function described(call: Call, link: InviteLink): ChatInviteLink {
  return describeInvite(sharedChatOf(call), link, call.bot.id)
}

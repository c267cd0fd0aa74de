import type { Account } from './accounts.js'
import type { SharedChat } from './chats.js'
import { completeRights, type Membership } from './members.js'
import { post } from './posting.js'
import { badRequest } from './refusal.js'
import { assertNotUpgraded } from './speaking.js'
import type { World } from './world.js'

/**
 * A basic group becomes a supergroup: a new chat with a new id, the same people, and a history that starts anew. Each
 * chat is told of the other; nothing happens in the old one any more, and calls about it name the new one in
 * `migrate_to_chat_id`. Telegram documents nothing of invite links: here they lead into the supergroup, as do requests to
 * be let in.
 */
export function upgradeToSupergroup(world: World, group: SharedChat, owner: Account): SharedChat {
  if (group.kind !== 'group') throw badRequest('only a basic group can be upgraded to a supergroup')
  assertNotUpgraded(group)
  if (world.membership(group, owner.id).status !== 'creator') throw badRequest('CHAT_ADMIN_REQUIRED')
  const { title, username, permissions, description, photo } = group
  const supergroup = world.addSharedChat('supergroup', { title, username })
  Object.assign(supergroup, { permissions, description, photo, autoDeleteTime: group.autoDeleteTime })
  for (const [id, membership] of group.members) supergroup.members.set(id, carried(membership))
  for (const [id, join] of group.joins) supergroup.joins.set(id, join)
  for (const [id, deed] of group.restrictions) supergroup.restrictions.set(id, deed)
  for (const [url, link] of group.invites) supergroup.invites.set(url, link)
  for (const [id, request] of group.joinRequests) supergroup.joinRequests.set(id, request)
  group.invites.clear()
  group.joinRequests.clear()
  post(world, group, { author: owner, content: { migrate_to_chat_id: supergroup.id } })
  group.migratedTo = supergroup
  post(world, supergroup, { author: owner, content: { migrate_from_chat_id: group.id } })
  return supergroup
}

/** Rights that exist in supergroups alone come to whoever was an administrator. */
function carried(membership: Membership): Membership {
  if (membership.status !== 'administrator') return membership
  return { ...membership, rights: completeRights('supergroup', membership.rights, false) }
}

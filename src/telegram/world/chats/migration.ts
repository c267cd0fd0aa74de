import type { Account } from '../accounts.js'
import { post } from '../messages/posting.js'
import { assertNotUpgraded } from '../messages/speaking.js'
import { badRequest } from '../refusal.js'
import type { World } from '../world.js'
import type { SharedChat } from './chats.js'
import { completeRights, type Membership } from './members.js'

/**
 * Upgrades a basic group to a supergroup: a new chat with a new id, the same members and an empty history. Both chats get a
 * service message; the old chat is closed, and calls about it fail with the new id in `migrate_to_chat_id`. Telegram does not
 * document what happens to invite links and join requests: here they move to the supergroup.
 */
export function upgradeToSupergroup(world: World, group: SharedChat, owner: Account): SharedChat {
  if (group.kind !== 'group') throw badRequest('only a basic group can be upgraded to a supergroup')
  assertNotUpgraded(group)
  if (world.membership(group, owner.id).status !== 'creator') throw badRequest('CHAT_ADMIN_REQUIRED')
  const { title, username, joinToWrite, permissions, description, photo } = group
  const supergroup = world.addSharedChat('supergroup', { title, username, joinToWrite })
  Object.assign(supergroup, { permissions, description, photo, autoDeleteTime: group.autoDeleteTime })
  for (const [id, membership] of group.members) supergroup.members.set(id, carried(membership))
  for (const [id, join] of group.joins) supergroup.joins.set(id, join)
  for (const [id, change] of group.restrictions) supergroup.restrictions.set(id, change)
  for (const [url, link] of group.invites) supergroup.invites.set(url, link)
  for (const [id, request] of group.joinRequests) supergroup.joinRequests.set(id, request)
  group.invites.clear()
  group.joinRequests.clear()
  post(world, group, { author: owner, content: { migrate_to_chat_id: supergroup.id } })
  group.migratedTo = supergroup
  post(world, supergroup, { author: owner, content: { migrate_from_chat_id: group.id } })
  return supergroup
}

/** Extends an administrator's rights by those that exist only in supergroups. */
function carried(membership: Membership): Membership {
  if (membership.status !== 'administrator') return membership
  return { ...membership, rights: completeRights('supergroup', membership.rights, false) }
}

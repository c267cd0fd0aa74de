import { randomInt } from 'node:crypto'
import type { Location, Message } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { Call, Methods } from '../call.js'
import { say } from './sending.js'

/** The emoji that are thrown, and how many ways they fall. */
const DICE = new Map([
  ['🎲', 6],
  ['🎯', 6],
  ['🎳', 6],
  ['🏀', 5],
  ['⚽', 5],
  ['🎰', 64],
])

export const thingMethods: Methods = {
  sendDice(call) {
    const emoji = call.params.text('emoji') ?? '🎲'
    const sides = DICE.get(emoji)
    if (sides === undefined) throw badRequest('EMOTICON_INVALID')
    const dice = { emoji, value: randomInt(1, sides + 1) }
    return say(call, { dice }).message as Message.DiceMessage
  },

  sendLocation(call) {
    const location = locationOf(call)
    return say(call, { location }).message as Message.LocationMessage
  },

  sendVenue(call) {
    const location = locationOf(call)
    const venue = { location, title: needed(call, 'title'), address: needed(call, 'address') }
    return say(call, { venue, location }).message as Message.VenueMessage
  },

  sendContact(call) {
    const lastName = call.params.text('last_name')
    const vcard = call.params.text('vcard')
    const contact = {
      phone_number: needed(call, 'phone_number'),
      first_name: needed(call, 'first_name'),
      ...(lastName !== undefined && { last_name: lastName }),
      ...(vcard !== undefined && { vcard }),
    }
    return say(call, { contact }).message as Message.ContactMessage
  },
}

function locationOf({ params }: Call): Location {
  const latitude = params.number('latitude')
  const longitude = params.number('longitude')
  if (latitude === undefined) throw badRequest('latitude is empty')
  if (longitude === undefined) throw badRequest('longitude is empty')
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) throw badRequest('wrong location specified')
  const extra = ['horizontal_accuracy', 'live_period', 'heading', 'proximity_alert_radius']
    .map((name) => [name, params.number(name)] as const)
    .filter(([, value]) => value !== undefined)
  return { latitude, longitude, ...Object.fromEntries(extra) }
}

function needed({ params }: Call, name: string): string {
  const value = params.text(name)?.trim() ?? ''
  if (value === '') throw badRequest(`${name.replaceAll('_', ' ')} is empty`)
  return value
}

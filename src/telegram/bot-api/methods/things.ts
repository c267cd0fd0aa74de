import { randomInt } from 'node:crypto'
import type { Contact, Location, Message } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { Methods } from '../call.js'
import type { Params } from '../params.js'
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
    const location = locationOf(call.params)
    return say(call, { location }).message as Message.LocationMessage
  },

  sendVenue(call) {
    const location = locationOf(call.params)
    const venue = { location, title: needed(call.params, 'title'), address: needed(call.params, 'address') }
    return say(call, { venue, location }).message as Message.VenueMessage
  },

  sendContact(call) {
    return say(call, { contact: contactOf(call.params) }).message as Message.ContactMessage
  },
}

export function contactOf(params: Params): Contact {
  const lastName = params.text('last_name')
  const vcard = params.text('vcard')
  return {
    phone_number: needed(params, 'phone_number'),
    first_name: needed(params, 'first_name'),
    ...(lastName !== undefined && { last_name: lastName }),
    ...(vcard !== undefined && { vcard }),
  }
}

export function locationOf(params: Params): Location {
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

function needed(params: Params, name: string): string {
  const value = params.text(name)?.trim() ?? ''
  if (value === '') throw badRequest(`${name.replaceAll('_', ' ')} is empty`)
  return value
}

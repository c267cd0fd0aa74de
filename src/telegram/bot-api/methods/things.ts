import { randomInt } from 'node:crypto'
import type { Contact, Location, Message } from 'grammy/types'
import { badRequest } from '../../world/refusal.js'
import type { Methods } from '../call.js'
import type { Params } from '../params.js'
import { say } from './sending.js'

/** The emoji of dice, with their number of values. */
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
    return say(call, { dice }, { mayBeEphemeral: false }).message as Message.DiceMessage
  },

  sendLocation(call) {
    const location = locationOf(call.params)
    return say(call, { location }).message as Message.LocationMessage
  },

  sendVenue(call) {
    const location = pointOf(call.params)
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

/** "Must be between 60 and 86400, or 0x7FFFFFFF for live locations that can be edited indefinitely" (sendLocation). */
const SHORTEST_LIVE = 60
const LONGEST_LIVE = 86_400
export const FOREVER = 0x7fffffff
const FULL_CIRCLE = 360
const FARTHEST_ALERT = 100_000
const COARSEST = 1500

/** Reads a location without live properties. */
export function pointOf(params: Params): Location {
  const latitude = params.number('latitude')
  const longitude = params.number('longitude')
  if (latitude === undefined) throw badRequest('latitude is empty')
  if (longitude === undefined) throw badRequest('longitude is empty')
  if (Math.abs(latitude) > 90 || Math.abs(longitude) > 180) throw badRequest('wrong location specified')
  const accuracy = params.number('horizontal_accuracy') ?? 0
  return { latitude, longitude, ...(accuracy > 0 && { horizontal_accuracy: Math.min(accuracy, COARSEST) }) }
}

/**
 * Reads a location, possibly a live one; when editing, the live period may be absent and then stays as it is
 * (process_live_location in td/telegram/Location.cpp).
 */
export function locationOf(params: Params, isEdit = false): Location {
  const point = pointOf(params)
  const period = params.integer('live_period') ?? 0
  if (period === 0 && !isEdit) return point
  if (!isEdit && period !== FOREVER && (period < SHORTEST_LIVE || period > LONGEST_LIVE))
    throw badRequest('wrong live location period specified')
  const heading = params.integer('heading') ?? 0
  if (heading < 0 || heading > FULL_CIRCLE) throw badRequest('wrong live location heading specified')
  const radius = params.integer('proximity_alert_radius') ?? 0
  if (radius < 0 || radius > FARTHEST_ALERT)
    throw badRequest('wrong live location proximity alert radius specified')
  return {
    ...point,
    ...(period > 0 && { live_period: period }),
    ...(heading > 0 && { heading }),
    ...(radius > 0 && { proximity_alert_radius: radius }),
  }
}

function needed(params: Params, name: string): string {
  const value = params.text(name)?.trim() ?? ''
  if (value === '') throw badRequest(`${name.replaceAll('_', ' ')} is empty`)
  return value
}

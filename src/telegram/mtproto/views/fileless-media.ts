import type { Contact, Invoice, Location, Venue } from 'grammy/types'
import type { TlObject } from '../../../mtproto/protocol/tl/object.js'
import type { Content } from '../../world/messages/content.js'
import { pollOf, resultsOf } from './polls.js'

/** Converts content that is neither a text nor a file: locations, contacts, dice, polls, invoices. */
export function filelessMediaOf({
  venue,
  location,
  contact,
  dice,
  poll,
  invoice,
}: Content): TlObject | undefined {
  // Checked first, because a venue also has `location`.
  if (venue !== undefined) return venueOf(venue)
  if (location !== undefined) return placeOf(location)
  if (contact !== undefined) return contactOf(contact)
  if (dice !== undefined) return { _: 'messageMediaDice', value: dice.value, emoticon: dice.emoji }
  if (poll !== undefined) return { _: 'messageMediaPoll', poll: pollOf(poll), results: resultsOf(poll) }
  return invoice === undefined ? undefined : invoiceOf(invoice)
}

function pointOf({ latitude, longitude, horizontal_accuracy: accuracy }: Location): TlObject {
  return {
    _: 'geoPoint',
    lat: latitude,
    long: longitude,
    access_hash: 0n,
    ...(accuracy !== undefined && { accuracy_radius: Math.round(accuracy) }),
  }
}

function placeOf(location: Location): TlObject {
  const { live_period: period, heading, proximity_alert_radius: radius } = location
  const geo = pointOf(location)
  if (period === undefined) return { _: 'messageMediaGeo', geo }
  return {
    _: 'messageMediaGeoLive',
    geo,
    period,
    ...(heading !== undefined && { heading }),
    ...(radius !== undefined && { proximity_notification_radius: radius }),
  }
}

function venueOf({ location, title, address, ...known }: Venue): TlObject {
  const isGoogle = known.google_place_id !== undefined
  return {
    _: 'messageMediaVenue',
    geo: pointOf(location),
    title,
    address,
    provider: isGoogle ? 'gplaces' : 'foursquare',
    venue_id: known.google_place_id ?? known.foursquare_id ?? '',
    venue_type: known.google_place_type ?? known.foursquare_type ?? '',
  }
}

function contactOf({ phone_number, first_name, last_name, vcard, user_id }: Contact): TlObject {
  return {
    _: 'messageMediaContact',
    phone_number,
    first_name,
    last_name: last_name ?? '',
    vcard: vcard ?? '',
    user_id: BigInt(user_id ?? 0),
  }
}

function invoiceOf({ title, description, start_parameter, currency, total_amount }: Invoice): TlObject {
  return {
    _: 'messageMediaInvoice',
    title,
    description,
    currency,
    total_amount: BigInt(total_amount),
    start_param: start_parameter,
  }
}

import type { ClaimCheck } from '../../core/check.js'
import type { Ms } from '../../core/duration.js'
import { storedEnd } from '../shared/sql.js'
import type { Link } from './link.js'

export const HELD = 1
export const PAID = 2
const RUNNING = 3
/** The first taker was refused, and so are all later ones. */
export const REFUSED = 4

/** Number of tokens of a sequence that lapse together. */
const TOGETHER = 4096

/** Identifies the claims of one subject under one check. */
export interface Claimed {
  readonly check: ClaimCheck
  readonly place: number
  readonly bot: number
  readonly key: string
}

/** The state of a claim that is not free. */
interface Standing {
  readonly state: number
  readonly until: Ms
  readonly leaseUntil: Ms
  readonly serial: number
  readonly refuser: string | undefined
  /** Its lease has ended without a settlement. */
  readonly isLate: boolean
}

interface Row {
  readonly state: number
  readonly until: number | null
  readonly lease_until: number | null
  readonly serial: number
  readonly refuser: string | null
}

/** Returns the state of a claim, or undefined if it is free. Like all functions here, runs within a transaction of the caller. */
export function standingOf(link: Link, claimed: Claimed, token: number, now: Ms): Standing | undefined {
  const { check, place, bot, key } = claimed
  const row = link.get<Row>(
    'SELECT state, until, lease_until, serial, refuser FROM sentinel_claims WHERE place = ? AND bot = ? AND key = ? AND token = ?',
    place,
    bot,
    key,
    token,
  )
  if (row === undefined) return undefined
  const until =
    check.tokens === 'sequence' ? lapseOf(link, claimed, token) : (row.until ?? Number.POSITIVE_INFINITY)
  if (until <= now) return undefined
  const isLate = row.state === RUNNING && (row.lease_until ?? Number.POSITIVE_INFINITY) <= now
  return {
    state: isLate ? PAID : row.state,
    until,
    leaseUntil:
      row.state === RUNNING ? (row.lease_until ?? Number.POSITIVE_INFINITY) : Number.POSITIVE_INFINITY,
    serial: row.serial,
    refuser: row.refuser ?? undefined,
    isLate,
  }
}

export function take(link: Link, claimed: Claimed, token: number, serial: number, now: Ms): void {
  const { check } = claimed
  if (check.tokens === 'sequence') prolong(link, claimed, token, now)
  const lease = check.lease === undefined ? undefined : now + check.lease
  write(link, claimed, token, { state: lease === undefined ? HELD : RUNNING, lease, serial, now })
}

/** Records that the taker was refused by the check of a slot. */
export function refuse(link: Link, claimed: Claimed, token: number, slot: string, now: Ms): void {
  write(link, claimed, token, { state: REFUSED, serial: 0, refuser: slot, now })
}

/** Settles a claim. A late completion counts, unless another taker is running by then. */
export function settle(
  link: Link,
  claimed: Claimed,
  token: number,
  serial: number,
  to: typeof HELD | typeof PAID,
  now: Ms,
): void {
  const standing = standingOf(link, claimed, token, now)
  if (standing === undefined || standing.state === REFUSED) return
  if (standing.isLate ? to !== HELD : standing.serial !== serial) return
  const { place, bot, key } = claimed
  link.run(
    'UPDATE sentinel_claims SET state = ? WHERE place = ? AND bot = ? AND key = ? AND token = ?',
    to,
    place,
    bot,
    key,
    token,
  )
}

interface Written {
  readonly state: number
  readonly lease?: Ms | undefined
  readonly serial: number
  readonly refuser?: string
  readonly now: Ms
}

function write(
  link: Link,
  claimed: Claimed,
  token: number,
  { state, lease, serial, refuser, now }: Written,
): void {
  const { check, place, bot, key } = claimed
  link.run(
    `INSERT OR REPLACE INTO sentinel_claims (place, bot, key, token, state, until, lease_until, serial, refuser)
     VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
    place,
    bot,
    key,
    token,
    state,
    // For sequences, the end is stored per part.
    check.tokens === 'sequence' ? null : now + check.holdFor,
    storedEnd(lease),
    serial,
    refuser ?? null,
  )
}

function partOf(token: number): number {
  return Math.floor(token / TOGETHER)
}

function lapseOf(link: Link, { place, bot, key }: Claimed, token: number): Ms {
  const row = link.get<{ until: number }>(
    'SELECT until FROM sentinel_sequences WHERE place = ? AND bot = ? AND key = ? AND part = ?',
    place,
    bot,
    key,
    partOf(token),
  )
  return row?.until ?? Number.NEGATIVE_INFINITY
}

/** Extends a part of a sequence: it is held until `holdFor` after the last taking in it. A lapsed part is emptied first. */
function prolong(link: Link, claimed: Claimed, token: number, now: Ms): void {
  const { check, place, bot, key } = claimed
  const part = partOf(token)
  if (lapseOf(link, claimed, token) <= now) forgetPart(link, claimed, part)
  link.run(
    'INSERT OR REPLACE INTO sentinel_sequences (place, bot, key, part, until) VALUES (?, ?, ?, ?, ?)',
    place,
    bot,
    key,
    part,
    now + check.holdFor,
  )
}

export function forgetPart(
  link: Link,
  { place, bot, key }: Pick<Claimed, 'place' | 'bot' | 'key'>,
  part: number,
): void {
  link.run(
    'DELETE FROM sentinel_claims WHERE place = ? AND bot = ? AND key = ? AND token >= ? AND token < ?',
    place,
    bot,
    key,
    part * TOGETHER,
    (part + 1) * TOGETHER,
  )
}

import type { MessageEntity, User } from 'grammy/types'

/** Returns the user with this id, if there is one. */
export type FindUser = (id: number) => User | undefined

/** Where an entity is in a text, in UTF-16 code units, like JavaScript strings. */
export interface Place {
  readonly offset: number
  readonly length: number
}

const USER_LINK = /^tg:(?:\/\/)?user\/?\?(?:[^#]*&)?id=(\d{1,16})(?:[&#]|$)/i

/** The entity for a link: a mention if it points to a known user, undefined if it is invalid. */
export function linkEntity(place: Place, url: string, findUser: FindUser): MessageEntity | undefined {
  if (place.length === 0) return undefined
  const mentioned = USER_LINK.exec(url)
  if (mentioned !== null) {
    const user = findUser(Number(mentioned[1]))
    return user && { ...place, type: 'text_mention', user }
  }
  const checked = checkedLink(url)
  return checked === undefined ? undefined : { ...place, type: 'text_link', url: checked }
}

/**
 * Checks the URL of a button; returns Telegram's error text (check_link_impl in td/telegram/LinkManager.cpp), or undefined if the
 * URL is valid.
 */
export function wrongUrl(url: string, isSecure = false): string | undefined {
  if (url.trim() === '') return 'URL host is empty'
  const scheme = /^([a-z][\w+.-]*):\/\//i.exec(url.trim())?.[1]?.toLowerCase()
  if (scheme !== undefined && !['http', 'https', 'tg', 'ton', 'tonsite'].includes(scheme))
    return 'Unsupported URL protocol'
  if (isSecure && scheme !== 'https') return 'Only HTTPS links are allowed'
  return checkedLink(url) === undefined ? 'Wrong HTTP URL' : undefined
}

/** Completes a link like Telegram: `example.com` becomes `http://example.com/`. Undefined unless the host has at least two labels. */
function checkedLink(url: string): string | undefined {
  const trimmed = url.trim()
  if (/^(?:tg|ton|tonsite):\S+$/i.test(trimmed)) return trimmed
  const parts = /^(?:(https?):\/\/)?([^\s/?#]+)(\/[^\s?#]*)?([?#]\S*)?$/i.exec(trimmed)
  if (parts === null) return undefined
  const [, scheme = 'http', host = '', path = '/', rest = ''] = parts
  if (!/^(?:[^@]*@)?[\p{L}\p{N}_-]+(?:\.[\p{L}\p{N}_-]+)+(?::\d{1,5})?$/u.test(host)) return undefined
  return `${scheme.toLowerCase()}://${host.toLowerCase()}${path}${rest}`
}

/** Reads the URL of a custom emoji; returns its id, or Telegram's error text. */
export function readEmojiLink(url: string): { readonly id: string } | { readonly wrong: string } {
  const parts = /^([a-z][\w+.-]*):(?:\/\/)?([^/?#]*)[^?#]*(?:\?([^#]*))?/i.exec(url)
  if (parts?.[1]?.toLowerCase() !== 'tg') return { wrong: 'Custom emoji URL must have scheme tg' }
  if (parts[2]?.toLowerCase() !== 'emoji') return { wrong: 'Custom emoji URL must have host "emoji"' }
  const id = new URLSearchParams(parts[3] ?? '').get('id')
  if (id === null) return { wrong: 'Custom emoji URL must have an emoji identifier' }
  return /^[1-9]\d{0,18}$/.test(id) ? { id } : { wrong: 'Invalid custom emoji identifier specified' }
}

import fc from 'fast-check'
import type { MessageEntity } from 'grammy/types'
import { settleText } from '../../src/telegram/world/text/formatting.js'
import { nested } from '../../src/telegram/world/text/nesting.js'

type Brief = readonly [type: string, offset: number, length: number]

const entityOf = ([type, offset, length]: Brief) =>
  ({ type, offset, length, ...(type === 'text_link' && { url: 'https://a.com/' }) }) as MessageEntity
const briefOf = ({ type, offset, length }: MessageEntity): Brief => [type, offset, length]
const settled = (given: readonly Brief[], text = 'abcdefghijkl') =>
  settleText({ text, entities: given.map(entityOf) }).entities.map(briefOf)

test.each<[string, Brief[], Brief[]]>([
  [
    'styles that overlap',
    [
      ['bold', 0, 4],
      ['italic', 2, 4],
    ],
    [
      ['bold', 0, 2],
      ['italic', 2, 4],
      ['bold', 2, 2],
    ],
  ],
  [
    'a style within another',
    [
      ['italic', 2, 2],
      ['bold', 0, 6],
    ],
    [
      ['bold', 0, 2],
      ['bold', 2, 4],
      ['italic', 2, 2],
    ],
  ],
  [
    'a link within a style',
    [
      ['bold', 0, 6],
      ['text_link', 2, 2],
    ],
    [
      ['bold', 0, 2],
      ['text_link', 2, 2],
      ['bold', 2, 2],
      ['bold', 4, 2],
    ],
  ],
  [
    'a style that runs out of a quotation',
    [
      ['blockquote', 0, 4],
      ['spoiler', 2, 4],
    ],
    [
      ['blockquote', 0, 4],
      ['spoiler', 2, 2],
      ['spoiler', 4, 2],
    ],
  ],
  [
    'styles within code',
    [
      ['bold', 0, 6],
      ['italic', 3, 1],
      ['code', 2, 2],
    ],
    [
      ['bold', 0, 2],
      ['code', 2, 2],
      ['bold', 4, 2],
    ],
  ],
  [
    'styles on a date',
    [
      ['bold', 0, 6],
      ['date_time', 2, 2],
    ],
    [
      ['bold', 0, 2],
      ['date_time', 2, 2],
      ['bold', 4, 2],
    ],
  ],
  [
    'a link around a quotation',
    [
      ['text_link', 0, 6],
      ['blockquote', 2, 2],
    ],
    [['blockquote', 2, 2]],
  ],
])('entities come back split as Telegram splits them: %s', (_, given, expected) => {
  expect(settled(given)).toEqual(expected)
})

test.each<[string, Brief[], Brief[]]>([
  [
    '@tests @tests',
    [['italic', 0, 13]],
    [
      ['mention', 0, 6],
      ['italic', 0, 6],
      ['italic', 6, 1],
      ['mention', 7, 6],
      ['italic', 7, 6],
    ],
  ],
  [
    'example.com a',
    [['italic', 0, 13]],
    [
      ['url', 0, 11],
      ['italic', 0, 11],
      ['italic', 11, 2],
    ],
  ],
  ['aba caba', [['bold', 3, 2]], [['bold', 3, 2]]],
])('styles keep the spaces they begin with: %j', (text, given, expected) => {
  expect(settled(given, text)).toEqual(expected)
})

/** For each character, the letters of the styles that it has. */
function styled(entities: readonly MessageEntity[]): string[] {
  return Array.from({ length: 31 }, (_, at) =>
    ['bold', 'italic', 'underline']
      .filter((style) => entities.some((each) => each.type === style && isOn(each, at)))
      .join(' '),
  )
}

const isOn = ({ offset, length }: MessageEntity, at: number) => offset <= at && at < offset + length

test('the nested entities style the same characters, and of two that overlap one contains the other', () => {
  const types = ['bold', 'italic', 'underline', 'text_link', 'custom_emoji', 'code', 'blockquote'] as const
  const entity = fc.tuple(fc.constantFrom(...types), fc.nat(20), fc.integer({ min: 1, max: 10 }))
  fc.assert(
    fc.property(fc.array(entity, { maxLength: 8 }), (brief) => {
      const given = brief.map(entityOf)
      const all = nested(given)
      const isCode = (at: number) => all.some((each) => each.type === 'code' && isOn(each, at))
      expect(styled(all)).toEqual(styled(given).map((styles, at) => (isCode(at) ? '' : styles)))
      const crossing = all.flatMap((a, nth) =>
        all
          .slice(nth + 1)
          .filter((b) => isOn(a, b.offset) && b.offset + b.length > a.offset + a.length)
          .map((b) => [a, b]),
      )
      expect(crossing).toEqual([])
      expect(nested(all)).toEqual(all)
    }),
    { seed: 20261122, numRuns: 500 },
  )
})

import fc from 'fast-check'
import type { MessageEntity } from 'grammy/types'
import { Refusal } from '../../src/telegram/world/refusal.js'
import { settleText } from '../../src/telegram/world/text/formatting.js'
import { parseHtml } from '../../src/telegram/world/text/html.js'

const read = (html: string) => parseHtml(html, (id) => ({ id, is_bot: false, first_name: 'Alice' }))
const entitiesOf = (html: string) => read(html).entities
const complaintAbout = (html: string): string => {
  try {
    read(html)
  } catch (error) {
    if (error instanceof Refusal) return error.description.replace("Bad Request: can't parse entities: ", '')
    throw error
  }
  return ''
}

type Node =
  | { readonly tag: undefined; readonly text: string }
  | { readonly tag: string; readonly children: readonly Node[] }

const TAGS: Readonly<Record<string, Omit<MessageEntity, 'offset' | 'length'>>> = {
  b: { type: 'bold' },
  strong: { type: 'bold' },
  i: { type: 'italic' },
  em: { type: 'italic' },
  u: { type: 'underline' },
  ins: { type: 'underline' },
  s: { type: 'strikethrough' },
  strike: { type: 'strikethrough' },
  del: { type: 'strikethrough' },
  'tg-spoiler': { type: 'spoiler' },
  'span class="tg-spoiler"': { type: 'spoiler' },
  code: { type: 'code' },
  pre: { type: 'pre' },
  blockquote: { type: 'blockquote' },
  'blockquote expandable': { type: 'expandable_blockquote' },
  'a href="https://example.com/?a=1&amp;b=2"': {
    type: 'text_link',
    url: 'https://example.com/?a=1&b=2',
  } as never,
  "a href='tg://user?id=7'": {
    type: 'text_mention',
    user: { id: 7, is_bot: false, first_name: 'Alice' },
  } as never,
  'tg-emoji emoji-id="5368324170671202286"': {
    type: 'custom_emoji',
    custom_emoji_id: '5368324170671202286',
  } as never,
  'tg-time unix=1700000000 format="wDT"': {
    type: 'date_time',
    unix_time: 1_700_000_000,
    date_time_format: 'wDT',
  } as never,
}

const leaf: fc.Arbitrary<Node> = fc
  .array(fc.constantFrom(...'ab é👍<>&"\'\n/='.split(''), 'lt', '#60'), { minLength: 1, maxLength: 5 })
  .map((pieces) => ({ tag: undefined, text: pieces.join('') }))
const tree = (depth: number): fc.Arbitrary<Node> =>
  depth === 0
    ? leaf
    : fc.oneof(
        leaf,
        fc.record({
          tag: fc.constantFrom(...Object.keys(TAGS)),
          children: fc.array(tree(depth - 1), { minLength: 1, maxLength: 3 }),
        }),
      )
const nodes = fc.array(tree(3), { minLength: 1, maxLength: 4 })

const NAMES: Readonly<Record<string, string>> = { '<': 'lt', '>': 'gt', '&': 'amp', '"': 'quot' }
/** Escapes characters in turn by name, by decimal and by hexadecimal number. */
function escaped(text: string): string {
  let count = text.length
  return text.replace(/[<>&"]/g, (char) => {
    const code = char.charCodeAt(0)
    const ways = [`&${NAMES[char]};`, `&#${code};`, `&#x${code.toString(16)};`]
    return ways[count++ % ways.length] as string
  })
}

const render = (node: Node): string =>
  node.tag === undefined
    ? escaped(node.text)
    : `<${node.tag}>${node.children.map(render).join('')}</${node.tag.split(' ')[0]}>`

function layOut(all: readonly Node[]): { text: string; entities: MessageEntity[] } {
  let text = ''
  const entities: MessageEntity[] = []
  const walk = (node: Node): void => {
    if (node.tag === undefined) {
      text += node.text
      return
    }
    const offset = text.length
    node.children.forEach(walk)
    entities.push({ ...TAGS[node.tag], offset, length: text.length - offset } as MessageEntity)
  }
  all.forEach(walk)
  return { text, entities }
}

const sorted = (entities: readonly MessageEntity[]) =>
  entities.map((entity) => JSON.stringify(Object.entries(entity).sort())).sort()

test('generated HTML is parsed into the same text and entities', () => {
  fc.assert(
    fc.property(nodes, (all) => {
      const { text, entities } = read(all.map(render).join(''))
      const wanted = layOut(all)
      expect(text).toBe(wanted.text)
      expect(sorted(entities)).toEqual(sorted(wanted.entities))
    }),
    { seed: 20261121, numRuns: 500 },
  )
})

test('random input is parsed or refused in the words of Telegram', () => {
  const piece = fc.oneof(
    fc.constantFrom(...'<>/=&;#"\' ax1👍\u0000'.split('')),
    fc.constantFrom(
      '<b>',
      '</b>',
      '<a href=',
      '&lt',
      '&#x',
      '<span class="tg-spoiler">',
      '</',
      '<pre><code class=',
    ),
  )
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
      const source = pieces.join('')
      const complaint = complaintAbout(source)
      if (complaint !== '') return
      const { text, entities } = settleText(read(source))
      for (const { offset, length } of entities) {
        expect(offset).toBeGreaterThanOrEqual(0)
        expect(length).toBeGreaterThan(0)
        expect(offset + length).toBeLessThanOrEqual(text.length)
      }
    }),
    { seed: 20261121, numRuns: 2000 },
  )
})

test('attributes may contain >, and character references in them are decoded', () => {
  expect(entitiesOf('<a href="https://example.com/?x=>&amp;y">x</a>')).toEqual([
    { type: 'text_link', offset: 0, length: 1, url: 'https://example.com/?x=>&y' },
  ])
  expect(entitiesOf('<a>https://example.com/here</a>')).toMatchObject([{ url: 'https://example.com/here' }])
  expect(entitiesOf('<CODE CLASS="x">y</CODE>')).toEqual([{ type: 'code', offset: 0, length: 1 }])
})

test('nested code and pre are one entity, in either order', () => {
  const wanted = [{ type: 'pre', offset: 0, length: 1, language: 'ts' }]
  expect(entitiesOf('<pre><code class="language-ts">x</code></pre>')).toEqual(wanted)
  expect(entitiesOf('<code class="language-ts"><pre>x</pre></code>')).toEqual(wanted)
  expect(entitiesOf('<code class="language-ts">x</code>')).toEqual([{ type: 'code', offset: 0, length: 1 }])
})

test.each([
  ['a < b', 'Unsupported start tag "" at byte offset 2'],
  ['<b', 'Unclosed start tag at byte offset 0'],
  ['é<b x', 'Unclosed start tag "b" at byte offset 2'],
  ['<a =>', 'Empty attribute name in the tag "a" at byte offset 0'],
  ['<a href=x/y>', 'Unexpected end of name token at byte offset 8'],
  ['<a href="x>', 'Unclosed start tag at byte offset 0'],
  ['<span>x</span>', 'Tag "span" must have class "tg-spoiler" at byte offset 0'],
  ['</b>', 'Unexpected end tag at byte offset 0'],
  ['<b>x</b', 'Unclosed end tag at byte offset 4'],
  ['<b>x</i>', 'Unmatched end tag at byte offset 4, expected "</b>", found "</i>"'],
  ['<b>x', 'Can\'t find end tag corresponding to start tag "b"'],
  ['<tg-emoji emoji-id="x">x</tg-emoji>', 'Invalid custom emoji identifier specified'],
  ['<tg-time unix="1" format="x">x</tg-time>', 'Invalid date-time format specified'],
])('%s is refused: %s', (html, complaint) => {
  expect(complaintAbout(html)).toBe(complaint)
})

test('invalid character references stay as they are', () => {
  for (const text of ['&nbsp;', '&', '&#', '&#0;', '&#x110000;', '&#xd800;', '&lt_', '&#99999999999;'])
    expect(read(text).text).toBe(text.replace('&lt_', '<_'))
})

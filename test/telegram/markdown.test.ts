import fc from 'fast-check'
import { Api } from 'grammy'
import type { MessageEntity } from 'grammy/types'
import { type Person, startTelegram, type Telegram } from '../../src/telegram/index.js'
import { settleText } from '../../src/telegram/world/text/formatting.js'
import { parseMarkdown } from '../../src/telegram/world/text/markdown.js'
import { parseMarkdownV2 } from '../../src/telegram/world/text/markdown-v2.js'
import { refusalOf } from './calling.js'

const nobody = () => undefined
const v2 = (source: string) => parseMarkdownV2(source, nobody)
const legacy = (source: string) => parseMarkdown(source, nobody)
const complaintOf = (read: () => unknown): string => {
  try {
    read()
  } catch (error) {
    return (error as { description: string }).description.replace("Bad Request: can't parse entities: ", '')
  }
  throw new Error('It was read')
}

describe('MarkdownV2', () => {
  test.each<[string, string, MessageEntity[]]>([
    [
      '*a* _b_ __c__ ~d~ ||e||',
      'a b c d e',
      [
        { type: 'bold', offset: 0, length: 1 },
        { type: 'italic', offset: 2, length: 1 },
        { type: 'underline', offset: 4, length: 1 },
        { type: 'strikethrough', offset: 6, length: 1 },
        { type: 'spoiler', offset: 8, length: 1 },
      ],
    ],
    ['`a_b*\\`c`', 'a_b*`c', [{ type: 'code', offset: 0, length: 6 }]],
    ['```ts\nlet a\n```', 'let a\n', [{ type: 'pre', offset: 0, length: 6, language: 'ts' }]],
    ['```let a```', ' a', [{ type: 'pre', offset: 0, length: 2, language: 'let' }]],
    ['``` x```', ' x', [{ type: 'pre', offset: 0, length: 2 }]],
    [
      '[x](example.com/a_b\\))',
      'x',
      [{ type: 'text_link', offset: 0, length: 1, url: 'http://example.com/a_b)' }],
    ],
    [
      '[example\\.com]',
      'example.com',
      [{ type: 'text_link', offset: 0, length: 11, url: 'http://example.com/' }],
    ],
    ['[x](nowhere)', 'x', []],
    [
      '![👍](tg://emoji?id=5368324170671202286)',
      '👍',
      [{ type: 'custom_emoji', offset: 0, length: 2, custom_emoji_id: '5368324170671202286' }],
    ],
    ['>a\n>b\nc', 'a\nb\nc', [{ type: 'blockquote', offset: 0, length: 4 }]],
    ['>a\n>b||\nc', 'a\nb\nc', [{ type: 'expandable_blockquote', offset: 0, length: 4 }]],
    [
      '>a\n**>b||',
      'a\nb',
      [
        { type: 'blockquote', offset: 0, length: 2 },
        { type: 'expandable_blockquote', offset: 2, length: 1 },
      ],
    ],
    ['**', '', []],
    ['\\a\\1\\➡', 'a1\\➡', []],
  ])('%j', (source, text, entities) => {
    expect(v2(source)).toEqual({ text, entities })
  })

  test.each([
    ['é_abc', "Can't find end of Italic entity at byte offset 2"],
    ['🏟 🏟_abac * asd _', "Can't find end of Italic entity at byte offset 21"],
    ['🏟 🏟__🏟 _🏟___', "Can't find end of Italic entity at byte offset 23"],
    ['```a', "Can't find end of Pre entity at byte offset 0"],
    ['```a ', "Can't find end of PreCode entity at byte offset 0"],
    ['[a](b', "Can't find end of a URL at byte offset 4"],
    ['![👍]', 'Custom emoji entity must contain a tg://emoji URL'],
    ['![👍](tg://emoji?id=1', "Can't find end of a custom emoji URL at byte offset 8"],
    ['![👍](https://emoji?id=1)', 'Custom emoji URL must have scheme tg'],
    ['![👍](tg:emojis?id=1)', 'Custom emoji URL must have host "emoji"'],
    ['![👍](tg://emoji#id=1)', 'Custom emoji URL must have an emoji identifier'],
    ['![👍](tg://emoji?id=01)', 'Invalid custom emoji identifier specified'],
    ['a|b', "Character '|' is reserved and must be escaped with the preceding '\\'"],
    ['1. one', "Character '.' is reserved and must be escaped with the preceding '\\'"],
    ['a>b', "Character '>' is reserved and must be escaped with the preceding '\\'"],
    ['>*b\n>ld\nx*', "Can't find end of Bold entity at byte offset 1"],
    ['>q||e||w||a\n', "Can't find end of Spoiler entity at byte offset 8"],
  ])('%j is refused: %s', (source, complaint) => {
    expect(complaintOf(() => v2(source))).toBe(complaint)
  })

  test('exactly the reserved characters must be escaped, and any ASCII character may be escaped', () => {
    for (let code = 1; code < 127; code++) {
      const char = String.fromCharCode(code)
      expect(v2(`\\${char}`)).toEqual({ text: char, entities: [] })
      if ('_*[]()~`#+-=|{}.!'.includes(char)) expect(() => v2(`x${char}`)).toThrow()
      else if (char !== '>') expect(v2(char).text).toBe(char)
    }
  })

  test('generated MarkdownV2 is parsed into the same text and entities', () => {
    fc.assert(
      fc.property(document, (blocks) => {
        const written = blocks.map(renderBlock).join('\n')
        const expected = layOut(blocks)
        const read = v2(written)
        expect(read.text).toBe(expected.text)
        expect(sorted(read.entities)).toEqual(sorted(expected.entities))
      }),
      { numRuns: 300, interruptAfterTimeLimit: 5000, markInterruptAsFailure: false },
    )
  })

  test('random input is parsed or refused in the words of Telegram', () => {
    const piece = fc.constantFrom(...'_*[]()~`>|!\\\n\ra👍'.split(''), '||', '__', '```', '![', '**>')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), (pieces) => {
        for (const read of [v2, legacy])
          try {
            const { text, entities } = settleText(read(pieces.join('')))
            for (const { offset, length } of entities) {
              expect(offset).toBeGreaterThanOrEqual(0)
              expect(length).toBeGreaterThan(0)
              expect(offset + length).toBeLessThanOrEqual(text.length)
            }
          } catch (error) {
            expect(error).toMatchObject({
              code: 400,
              description: expect.stringMatching(/can't parse entities: /),
            })
          }
      }),
      { numRuns: 500, interruptAfterTimeLimit: 3000, markInterruptAsFailure: false },
    )
  })
})

describe('legacy Markdown', () => {
  test.each<[string, string, MessageEntity[]]>([
    [
      '*a* _b_ `c`',
      'a b c',
      [
        { type: 'bold', offset: 0, length: 1 },
        { type: 'italic', offset: 2, length: 1 },
        { type: 'code', offset: 4, length: 1 },
      ],
    ],
    ['*a _b*', 'a _b', [{ type: 'bold', offset: 0, length: 4 }]],
    ['snake\\_case \\*', 'snake_case *', []],
    ['~a~ ||b|| 1. >', '~a~ ||b|| 1. >', []],
    ['```js\na```', 'a', [{ type: 'pre', offset: 0, length: 1, language: 'js' }]],
    [
      '[x](https://example.com?a=b)',
      'x',
      [{ type: 'text_link', offset: 0, length: 1, url: 'https://example.com/?a=b' }],
    ],
    ['**', '', []],
  ])('%j', (source, text, entities) => expect(legacy(source)).toEqual({ text, entities }))

  test('refuses an entity without an end', () => {
    expect(complaintOf(() => legacy('é snake_case'))).toBe(
      "Can't find end of the entity starting at byte offset 8",
    )
    expect(complaintOf(() => legacy('```a``'))).toBe("Can't find end of the entity starting at byte offset 0")
  })
})

describe('a formatted message', () => {
  let telegram: Telegram
  let api: Api
  let alice: Person

  beforeEach(async () => {
    telegram = await startTelegram({ clock: 'virtual' })
    const bot = telegram.createBot({ username: 'format_bot' })
    alice = telegram.createUser({ firstName: 'Alice', username: 'alice' })
    api = new Api(bot.token, { apiRoot: telegram.apiRoot })
    await alice.to(bot).sends('/start')
  })
  afterEach(() => telegram.close())

  const say = (text: string, parse_mode: 'MarkdownV2' | 'Markdown' | 'HTML' = 'MarkdownV2') =>
    api.sendMessage(alice.id, text, { parse_mode })

  test('can mention known users in every format', async () => {
    const mention = { type: 'text_mention', offset: 0, length: 3, user: { id: alice.id } }
    const url = `tg://user?id=${alice.id}`
    expect((await say(`[you](${url})`)).entities).toMatchObject([mention])
    expect((await say(`[you](${url})`, 'Markdown')).entities).toMatchObject([mention])
    expect((await say(`<a href="${url}">you</a>`, 'HTML')).entities).toMatchObject([mention])
    expect(await say('[you](tg://user?id=404)')).not.toHaveProperty('entities')
  })

  test('has no styles within code, and styles lie within the entities that Telegram detects', async () => {
    const sent = await say('  *a `b` @alice*')
    expect(sent.text).toBe('a b @alice')
    expect(sent.entities).toEqual([
      { type: 'bold', offset: 0, length: 2 },
      { type: 'code', offset: 2, length: 1 },
      { type: 'bold', offset: 3, length: 1 },
      { type: 'mention', offset: 4, length: 6 },
      { type: 'bold', offset: 4, length: 6 },
    ])
    const joined = await say('*a**b* `@alice`')
    expect(joined.entities).toEqual([
      { type: 'bold', offset: 0, length: 2 },
      { type: 'code', offset: 3, length: 6 },
    ])
  })

  test('has no carriage returns, and offsets are adjusted', async () => {
    expect(await say('a\r\n*b*\r\nc')).toMatchObject({
      text: 'a\nb\nc',
      entities: [{ type: 'bold', offset: 2, length: 1 }],
    })
  })

  test('can name the language of code in HTML', async () => {
    const sent = await say('<pre><code class="language-ts">let a</code></pre>', 'HTML')
    expect(sent.entities).toEqual([{ type: 'pre', offset: 0, length: 5, language: 'ts' }])
  })

  test('is refused in the words of Telegram, captions included', async () => {
    expect(await refusalOf(say('1. one'))).toBe(
      "Bad Request: can't parse entities: Character '.' is reserved and must be escaped with the preceding '\\'",
    )
    const photo = (await alice.to(telegram.createBot({ username: 'other_bot' })).sendsPhoto('a.jpg'))
      .photo![0]!
    expect(
      await refusalOf(api.sendPhoto(alice.id, photo.file_id, { caption: 'a_b', parse_mode: 'Markdown' })),
    ).toBe("Bad Request: can't parse entities: Can't find end of the entity starting at byte offset 1")
    expect(
      (await api.sendPhoto(alice.id, photo.file_id, { caption: '*b*', parse_mode: 'MarkdownV2' }))
        .caption_entities,
    ).toEqual([{ type: 'bold', offset: 0, length: 1 }])
    expect(await refusalOf(say('x', 'bbcode' as 'HTML'))).toBe('Bad Request: unsupported parse_mode')
  })
})

type Inline =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'code' | 'pre'; readonly text: string; readonly language?: string }
  | { readonly kind: Style; readonly children: readonly Inline[] }
  | { readonly kind: 'link'; readonly children: readonly Inline[] }
type Style = 'bold' | 'italic' | 'underline' | 'strikethrough' | 'spoiler'
interface Block {
  readonly quoted: boolean
  readonly content: readonly Inline[]
}

const MARKS: Record<Style, string> = {
  bold: '*',
  italic: '_',
  underline: '__',
  strikethrough: '~',
  spoiler: '||',
}

const words = fc
  .array(fc.constantFrom(...'ab 👍é_*[]()~`>#+-=|{}.!\\'.split('')), { minLength: 1, maxLength: 6 })
  .map((letters) => letters.join(''))
const leaf: fc.Arbitrary<Inline> = fc.oneof(
  words.map((text): Inline => ({ kind: 'text', text })),
  words.map((text): Inline => ({ kind: 'code', text })),
  fc
    .tuple(words, fc.constantFrom(undefined, 'ts'))
    .map(([text, language]): Inline => ({ kind: 'pre', text: ` ${text}`, ...(language && { language }) })),
)
/** Uses each style only once on a path, because no style nests in itself. */
const inline = (styles: readonly Style[], depth: number): fc.Arbitrary<Inline> => {
  if (depth === 0 || styles.length === 0) return leaf
  const styled = fc.constantFrom(...styles).chain((kind) => {
    const rest = styles.filter((style) => style !== kind)
    return fc
      .array(inline(rest, depth - 1), { minLength: 1, maxLength: 2 })
      .map((children): Inline => ({ kind, children }))
  })
  const link = fc
    .array(leaf, { minLength: 1, maxLength: 2 })
    .map((children): Inline => ({ kind: 'link', children }))
  return fc.oneof(leaf, styled, link)
}
const document = fc.array(
  fc.record({
    quoted: fc.boolean(),
    content: fc.array(inline(Object.keys(MARKS) as Style[], 3), { minLength: 1, maxLength: 3 }),
  }),
  { minLength: 1, maxLength: 3 },
)

const escaped = (text: string) => text.replace(/[_*[\]()~`>#+\-=|{}.!\\]/g, '\\$&')
const escapedCode = (text: string) => text.replace(/[`\\]/g, '\\$&')

function render(node: Inline, within: readonly Style[]): string {
  switch (node.kind) {
    case 'text':
      return escaped(node.text)
    case 'code':
      return `\`${escapedCode(node.text)}\``
    case 'pre':
      return `\`\`\`${node.language ?? ''}${escapedCode(node.text)}\`\`\``
    case 'link':
      return `[${node.children.map((child) => render(child, within)).join('')}](https://example.com/\\(a\\))`
    default: {
      const inside = [...within, node.kind]
      const children = node.children.map((child) => render(child, inside)).join('')
      const mark = MARKS[node.kind]
      if (!mark.startsWith('_')) return `${mark}${children}${mark}`
      const [around, between] = [nothing(within), nothing(inside)]
      return `${around}${mark}${between}${children}${between}${mark}${around}`
    }
  }
}

/** An empty entity of a style that is not open, which separates underscores from others beside them. */
function nothing(within: readonly Style[]): string {
  const free = (['bold', 'strikethrough', 'spoiler'] as const).find((style) => !within.includes(style))
  return MARKS[free ?? 'bold'].repeat(2)
}

const renderBlock = ({ quoted, content }: Block) => (quoted ? `**>${rendered(content)}` : rendered(content))

const rendered = (content: readonly Inline[]) => content.map((node) => render(node, [])).join('')

function layOut(blocks: readonly Block[]): { text: string; entities: MessageEntity[] } {
  let text = ''
  const entities: MessageEntity[] = []
  const walk = (node: Inline): void => {
    const offset = text.length
    if ('children' in node) node.children.forEach(walk)
    else text += node.text
    const place = { offset, length: text.length - offset }
    if (node.kind === 'link') entities.push({ ...place, type: 'text_link', url: 'https://example.com/(a)' })
    else if (node.kind === 'pre')
      entities.push({
        ...place,
        type: 'pre',
        ...(node.language !== undefined && { language: node.language }),
      })
    else if (node.kind !== 'text') entities.push({ ...place, type: node.kind })
  }
  blocks.forEach(({ quoted, content }, index) => {
    const offset = text.length
    content.forEach(walk)
    if (index < blocks.length - 1) text += '\n'
    if (quoted) entities.push({ type: 'blockquote', offset, length: text.length - offset })
  })
  return { text, entities }
}

const sorted = (entities: readonly MessageEntity[]) =>
  entities.map((entity) => JSON.stringify(Object.entries(entity).sort())).sort()

import type { Account } from '../examples/demo/ledger.js'
import { Ledger } from '../examples/demo/ledger.js'
import { frame, type Row, redraw, show } from '../examples/demo/table.js'
import { errorInWords, oneLine } from '../examples/demo/words.js'

const row = (name: string, role: string, account: Partial<Account> = {}): Row => ({
  name,
  role,
  account: { passed: 0, reached: 0, stopped: new Map(), joined: 0, last: undefined, ...account },
})
const ROWS = [
  row('Anna', 'chatter', { passed: 7, last: { allowed: true } }),
  row('Felix', 'flooder', {
    passed: 8,
    stopped: new Map([
      ['throttle.limited', 20],
      ['throttle.penalised', 2],
    ]),
    last: {
      allowed: false,
      guard: 'throttle',
      limit: 'user',
      reason: 'limited',
      cause: 'check',
      retryAfterMs: 1960,
    },
  }),
  row('Rita', 'redelivered'),
]

describe('the table', () => {
  test('has a row for each actor', () => {
    expect(frame(ROWS, 100)).toEqual([
      'who    role         passed  stopped  last verdict',
      'Anna   chatter           7        0  passed',
      'Felix  flooder           8       22  stopped by throttle.user: limited, again in 2.0 s',
      'Rita   redelivered       0        0',
    ])
  })

  test('is no wider than the terminal', () => {
    expect(Math.max(...frame(ROWS, 20).map(({ length }) => length))).toBe(20)
  })

  test('is drawn over the previous one', () => {
    expect(redraw(['one', 'two'], 0)).toBe('\r\x1b[2Kone\n\r\x1b[2Ktwo\n')
    expect(redraw(['one', 'two'], 2)).toBe('\x1b[2A\r\x1b[2Kone\n\r\x1b[2Ktwo\n')
  })
})

describe('the output', () => {
  function screenOf(rows: number): {
    written: string
    isTTY: true
    columns: number
    rows: number
    write(text: string): void
  } {
    return {
      written: '',
      isTTY: true,
      columns: 80,
      rows,
      write(text) {
        this.written += text
      },
    }
  }

  test('on a terminal consists of frames, with failures above them', () => {
    const ledger = new Ledger()
    const screen = screenOf(24)
    const end = show(ledger, screen, { token: 'secret' }, ROWS)
    expect(screen.written).toBe(redraw(frame(ROWS, 80), 0))
    screen.written = ''
    ledger.failed('notice', new Error('no secret'))
    expect(screen.written).toBe(`${redraw(['! notice: no <token>'], 4)}\x1b[J`)
    screen.written = ''
    end()
    expect(screen.written).toBe(redraw(frame(ROWS, 80), 0))
  })

  test('on a low terminal, and elsewhere, consists of lines', () => {
    for (const screen of [screenOf(5), { ...screenOf(24), isTTY: false }]) {
      const ledger = new Ledger()
      const end = show(ledger, screen, { token: 'secret' }, ROWS)
      ledger.failed('notice', new Error('lost'))
      end()
      expect(screen.written).toBe('! notice: lost\n')
    }
  })
})

describe('untrusted texts', () => {
  test('cannot control the terminal', () => {
    expect(oneLine('a\u001b[31mb\nc\u0007 \u202ed\u2028e')).toBe('ab c d e')
    expect(oneLine('abcdef', 4)).toBe('abc…')
    expect(oneLine('😀😀😀', 3)).toBe('😀😀😀')
  })

  test('of errors contain no token', () => {
    expect(errorInWords(new Error('at http://x/bot1:a/getMe'), '1:a')).toBe('at http://x/bot<token>/getMe')
    expect(errorInWords('plain', '')).toBe('plain')
  })
})

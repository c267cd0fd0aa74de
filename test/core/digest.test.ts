import { jest } from '@jest/globals'
import fc from 'fast-check'
import { Digest } from '../../src/core/digest.js'

/**
 * vectors_hsip64 of https://github.com/veorq/SipHash/blob/master/vectors.h, for inputs of 0, 2, 4 … 62 bytes: the
 * digest reads UTF-16 code units, so only even lengths can be asked.
 */
const VECTORS = [
  '218d1f59b9b83cc8',
  '064f39ef7c50eb57',
  'd5e78a175be52ea1',
  'ce3e91358aa2bc25',
  'edfee820bce4858c',
  '95b0469f06a6f2ee',
  '7bc71f9faef5c799',
  '3bb1a870eae8e658',
  '7336aad25f7bf3b5',
  'c9b2db2b9a3e42f9',
  '1bf52b0a6feea7db',
  'e20103fa1ba776ef',
  '70741045ae3fa6f1',
  '0d899ed8112923f0',
  '2d925ffb1e0016b5',
  '291aaf864898179d',
  '28709d46d811626c',
  '8324e4d7528f9830',
  '86d67a40ec4276dc',
  'cbd92ee724d42109',
  '5b38c81c67c8ae4c',
  'a91a52c025327024',
  '1e30f3ad27dcb15a',
  '495c0f995557dc38',
  'a9eaa8c04ba93e3e',
  '912d568fd8f65a49',
  '02445a7998f550e1',
  '359569e7d289e3bc',
  'a1a492f942f15f1d',
  '5d1b5ea1b231d89d',
  'd6762890bf26e460',
  'f90b3ab572d46693',
]

/** The bytes 00 01 02 …, two to a code unit in little-endian order. */
function counting(bytes: number): string {
  let text = ''
  for (let i = 0; i < bytes; i += 2) text += String.fromCharCode(i | ((i + 1) << 8))
  return text
}

/** A digest's bytes in the order the reference writes them: both halves in little-endian order. */
function bytesOf(hex: string): string {
  const bytes = hex.match(/../g) as string[]
  return [...bytes.slice(0, 4).reverse(), ...bytes.slice(4).reverse()].join('')
}

function bitsApart(a: string, b: string): number {
  let differing = BigInt(`0x${a}`) ^ BigInt(`0x${b}`)
  let bits = 0
  for (; differing > 0n; differing >>= 1n) bits += Number(differing & 1n)
  return bits
}

describe('a digest', () => {
  const official = new Digest(0x03020100, 0x07060504)

  test.each(VECTORS.map((vector, i) => [2 * i, vector] as const))(
    'of the first %d official bytes is the official %s',
    (length, vector) => {
      expect(bytesOf(official.hex(counting(length)))).toBe(vector)
    },
  )

  test('as a number is the same digest without the lowest 11 bits of its high half', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const hex = official.hex(text)
        const low = Number.parseInt(hex.slice(0, 8), 16)
        const high = Number.parseInt(hex.slice(8), 16)
        expect(official.number(text)).toBe(Math.floor(high / 2 ** 11) * 2 ** 32 + low)
        expect(Number.isSafeInteger(official.number(text))).toBe(true)
      }),
    )
  })

  test('does not depend on earlier digests', () => {
    const fresh = new Digest(1, 2).hex('second')
    const used = new Digest(1, 2)
    used.hex('first, and longer')
    expect(used.hex('second')).toBe(fresh)
  })

  test('differs for odd lengths, trailing zeros and surrogates', () => {
    const texts = [
      '',
      '\0',
      '\0\0',
      '\0\0\0',
      'a',
      'a\0',
      '\0a',
      '\ud83d',
      '\ude00',
      '\ud83d\ude00',
      'ab',
      'ba',
    ]
    expect(new Set(texts.map((text) => official.hex(text))).size).toBe(texts.length)
  })

  test('differs for texts whose lengths differ by 128 code units, although their length byte is the same', () => {
    expect(official.hex('a'.repeat(10))).not.toBe(official.hex('a'.repeat(138)))
  })

  test('changes about half of its bits when one bit of the text changes', () => {
    let total = 0
    let fewest = 64
    const text = 'the quick brown fox'
    for (let bit = 0; bit < text.length * 16; bit++) {
      const at = bit >> 4
      const turned = String.fromCharCode(text.charCodeAt(at) ^ (1 << (bit & 15)))
      const apart = bitsApart(
        official.hex(text),
        official.hex(text.slice(0, at) + turned + text.slice(at + 1)),
      )
      total += apart
      fewest = Math.min(fewest, apart)
    }
    expect(total / (text.length * 16)).toBeGreaterThan(30)
    expect(total / (text.length * 16)).toBeLessThan(34)
    expect(fewest).toBeGreaterThan(12)
  })

  test('is a different number for each of 100,000 similar texts', () => {
    const numbers = new Set<number>()
    for (let i = 0; i < 100_000; i++) numbers.add(official.number(`-100${i}\ntext`))
    // By the birthday bound, two of the numbers are equal in one of 1.8 million such tests.
    expect(numbers.size).toBe(100_000)
  })

  test('spreads similar texts evenly over the low bits, which hash tables use', () => {
    const slots = new Array<number>(256).fill(0)
    for (let i = 0; i < 25_600; i++) slots[official.number(`key ${i}`) % 256]! += 1
    // A hundred texts are expected in each slot, with a standard deviation of ten.
    expect(Math.min(...slots)).toBeGreaterThan(50)
    expect(Math.max(...slots)).toBeLessThan(150)
  })
})

describe('a keyed digest', () => {
  test('is the same for the same secret, in every process', () => {
    expect(Digest.keyed('secret').hex('hello')).toBe(Digest.keyed('secret').hex('hello'))
    expect(Digest.keyed('secret').hex('hello')).toBe('3e27f86d0c88c3c6')
  })

  test('depends on every character of the secret, however long', () => {
    const secrets = ['', 'a', 'b', 'secret', 'Secret', `${'s'.repeat(500)}1`, `${'s'.repeat(500)}2`]
    expect(new Set(secrets.map((secret) => Digest.keyed(secret).hex('hello'))).size).toBe(secrets.length)
  })

  test('with a random key differs from every other', () => {
    const digests = Array.from({ length: 100 }, () => Digest.random().hex('hello'))
    expect(new Set(digests).size).toBe(100)
  })

  test('with a random key draws the key once, when it is first needed', () => {
    const draw = jest.spyOn(crypto, 'getRandomValues')
    const digest = Digest.random()
    // Cloudflare Workers refuse random numbers while a module is loaded.
    expect(draw).not.toHaveBeenCalled()
    expect(digest.number('hello')).toBe(digest.number('hello'))
    expect(draw).toHaveBeenCalledTimes(1)
    draw.mockRestore()
  })
})

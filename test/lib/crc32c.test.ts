import { expect, test } from 'vitest'
import { crc32c } from '../../src/lib/crc32c.ts'

test.each([
  ['the ASCII digits, the published check value', Buffer.from('123456789'), 0xe3069283],
  // RFC 3720, B.4.
  ['32 bytes of zeros', new Uint8Array(32), 0x8a9136aa],
  ['32 bytes of ones', new Uint8Array(32).fill(0xff), 0x62a8ab43],
  ['32 bytes, ascending', Uint8Array.from({ length: 32 }, (_, n) => n), 0x46dd794e],
  ['32 bytes, descending', Uint8Array.from({ length: 32 }, (_, n) => 31 - n), 0x113fdb5c],
  ['nothing', new Uint8Array(), 0],
])('CRC-32C of %s', (_, bytes, sum) => {
  expect(crc32c(bytes)).toBe(sum)
})

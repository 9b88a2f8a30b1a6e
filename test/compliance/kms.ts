import { describe, expect, it } from 'vitest'
import type { KmsKey } from '../../src/kms/port.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { Secret } from '../../src/lib/secret.ts'

export interface KmsAdapter {
  /** Two different keys of one provider; the same call gives the same two. */
  open(): Promise<readonly [KmsKey, KmsKey]>
  /** Whether the wrapped piece tells whether it was altered; some providers take what they never made for unavailable. */
  readonly refusals: readonly string[]
  close?(): Promise<void>
}

const context = 'ab'.repeat(32) as Hash
const other = 'cd'.repeat(32) as Hash
const bytes = new Uint8Array(32).fill(9)

/** What sealing asks of every KMS (src/kms/port.ts). */
export const kmsComplies = (name: string, setup: () => Promise<KmsAdapter>): void => {
  describe(`${name} as a KMS`, () => {
    const using = async (
      act: (keys: readonly [KmsKey, KmsKey], adapter: KmsAdapter) => Promise<void>,
    ): Promise<void> => {
      const adapter = await setup()
      try {
        await act(await adapter.open(), adapter)
      } finally {
        await adapter.close?.()
      }
    }
    const code = async (work: Promise<unknown>): Promise<string> =>
      work.then(
        () => 'opened',
        (error: { code?: string }) => error.code ?? String(error),
      )

    it('opens what it wrapped, at once and by the key opened anew, and says which key and version it used', () =>
      using(async ([key], adapter) => {
        const wrapped = await key.wrap(new Secret(bytes.slice()), context)
        expect(wrapped).toMatchObject({ provider: key.ref.provider, key: key.ref.key })
        expect(wrapped.version).not.toBe('')
        expect((await key.unwrap(wrapped, context)).reveal()).toEqual(bytes)
        const [again] = await adapter.open()
        expect((await again.unwrap(wrapped, context)).reveal()).toEqual(bytes)
      }))

    it('wraps one piece differently each time, and never shows it', () =>
      using(async ([key]) => {
        const [one, two] = [
          await key.wrap(new Secret(bytes.slice()), context),
          await key.wrap(new Secret(bytes.slice()), context),
        ]
        expect(Buffer.from(one.ciphertext).equals(two.ciphertext)).toBe(false)
        expect(Buffer.from(one.ciphertext).includes(Buffer.from(bytes))).toBe(false)
      }))

    it('leaves the piece to its caller, who still holds and wipes it', () =>
      using(async ([key]) => {
        const piece = new Secret(bytes.slice())
        await key.wrap(piece, context)
        expect(piece.reveal()).toEqual(bytes)
      }))

    it('refuses another context, another key, and every altered byte, by a code', () =>
      using(async ([key, second], { refusals }) => {
        const wrapped = await key.wrap(new Secret(bytes.slice()), context)
        expect(refusals).toContain(await code(key.unwrap(wrapped, other)))
        expect(refusals).toContain(await code(second.unwrap(wrapped, context)))
        expect(refusals).toContain(await code(key.unwrap({ ...wrapped, ciphertext: new Uint8Array(0) }, context)))
        for (let at = 0; at < wrapped.ciphertext.length; at++) {
          const ciphertext = wrapped.ciphertext.slice()
          ciphertext[at] = (ciphertext[at] ?? 0) ^ 1
          expect(refusals).toContain(await code(key.unwrap({ ...wrapped, ciphertext }, context)))
        }
      }))

    it('says what protects its keys, in one line', () =>
      using(async ([key]) => {
        expect(key.can.protection).toMatch(/^[\x20-\x7e]+$/)
      }))
  })
}

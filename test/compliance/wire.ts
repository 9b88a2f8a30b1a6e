import { describe, expect, it } from 'vitest'
import type { SiteId } from '../../src/lib/brand.ts'
import { utf8 } from '../../src/lib/bytes.ts'
import type { Frame, Wire } from '../../src/transport/wire.ts'

export interface WireAdapter {
  /** A member's wire in one room of `a`, `b` and `c`; resolves when it can send. */
  join(self: SiteId): Promise<Wire>
  close?(): Promise<void>
}

const [a, b, c] = ['a', 'b', 'c'] as [SiteId, SiteId, SiteId]

/** Frames as they come, until the wire ends; `next` waits for one. */
const reader = (wire: Wire) => {
  const frames = wire.receive()[Symbol.asyncIterator]()
  return async (): Promise<Frame | undefined> => {
    const { done, value } = await frames.next()
    return done === true ? undefined : value
  }
}

/** What channels ask of every wire (src/transport/wire.ts): it may lose, but not invent, mix or wait. */
export const wireComplies = (name: string, setup: () => Promise<WireAdapter>): void => {
  describe(`${name} as a wire`, () => {
    const using = async (act: (adapter: WireAdapter) => Promise<void>): Promise<void> => {
      const adapter = await setup()
      try {
        await act(adapter)
      } finally {
        await adapter.close?.()
      }
    }

    it('carries a frame to the one it is for, with the sender’s name, and to nobody else', () =>
      using(async ({ join }) => {
        const wires = [await join(a), await join(b), await join(c)] as const
        const [, atB, atC] = wires.map(reader) as unknown as [
          unknown,
          () => Promise<Frame | undefined>,
          () => Promise<Frame | undefined>,
        ]
        wires[0].send(b, utf8('to b'))
        wires[0].send(c, utf8('to c'))
        expect(await atB()).toEqual({ from: a, bytes: utf8('to b') })
        expect(await atC()).toEqual({ from: a, bytes: utf8('to c') })
        for (const wire of wires) await wire.close()
      }))

    it('carries empty frames, and frames of the size that channels cut to, whole', () =>
      using(async ({ join }) => {
        const [from, to] = [await join(a), await join(b)]
        const next = reader(to)
        const large = new Uint8Array(60_000).map((_, at) => at % 251)
        from.send(b, new Uint8Array(0))
        from.send(b, large)
        const got = [await next(), await next()].map((frame) => frame?.bytes.length)
        expect(got).toEqual([0, 60_000])
        from.send(b, large)
        expect((await next())?.bytes).toEqual(large)
        await from.close()
        await to.close()
      }))

    it('takes a frame’s bytes when it is sent: its sender may use the buffer again', () =>
      using(async ({ join }) => {
        const [from, to] = [await join(a), await join(b)]
        const next = reader(to)
        const bytes = utf8('first')
        from.send(b, bytes)
        bytes.fill(0)
        expect((await next())?.bytes).toEqual(utf8('first'))
        await from.close()
        await to.close()
      }))

    it('never throws and never waits: to nobody, to a stranger, to itself closed', () =>
      using(async ({ join }) => {
        const wire = await join(a)
        expect(wire.send(b, utf8('nobody is there'))).toBeUndefined()
        expect(wire.send('stranger' as SiteId, utf8('x'))).toBeUndefined()
        await wire.close()
        expect(wire.send(b, utf8('closed'))).toBeUndefined()
      }))

    it('ends its reader when it is closed, and may be closed twice', () =>
      using(async ({ join }) => {
        const wire = await join(a)
        const next = reader(wire)
        const ended = next()
        await wire.close()
        await wire.close()
        expect(await ended).toBeUndefined()
      }))

    it('lets a member come back under its name', () =>
      using(async ({ join }) => {
        const [from, first] = [await join(a), await join(b)]
        await first.close()
        const again = await join(b)
        const next = reader(again)
        from.send(b, utf8('again'))
        expect(await next()).toEqual({ from: a, bytes: utf8('again') })
        await from.close()
        await again.close()
      }))
  })
}

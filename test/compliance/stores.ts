import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { OBJECT_LIMIT, type Store } from '../../src/shards/stores/port.ts'
import { many } from '../support/report.ts'

/** Behaviours that some counterpart lacks. */
export type StoreBehaviour = 'checksum' | 'over a marker'

export interface StoreAdapter {
  /** The same store each time; a test takes names that no other takes. */
  open(): Promise<Store>
  /** Changes the bytes in the store's own state, as a bad disk would. */
  readonly spoil?: (name: string) => Promise<void>
  /** True where its versions go when it is asked to remove them: false, where some stay. */
  readonly letsGo?: boolean
}

const text = (value: string): Uint8Array => new Uint8Array(Buffer.from(value))
const own = (): string => `t${randomBytes(6).toString('hex')}`
const fault = (work: Promise<unknown>): Promise<unknown> =>
  work.then(
    () => 'done',
    (error) => error.details?.store ?? error,
  )

/** What replicas ask of every store (src/shards/stores/port.ts). */
export const storeComplies = (
  name: string,
  setup: () => Promise<StoreAdapter>,
  cannot: Readonly<Partial<Record<StoreBehaviour, string>>> = {},
): void => {
  const shows = (behaviour: StoreBehaviour, told: string, act: () => Promise<void>) => {
    const why = cannot[behaviour]
    it.skipIf(why !== undefined)(why === undefined ? told : `${told}: not here, ${why}`, act)
  }
  const opened = async () => {
    const adapter = await setup()
    return { ...adapter, store: await adapter.open() }
  }

  describe(`${name} as a store`, () => {
    it('reads what was created, by the store opened anew, and nothing where nothing is', async () => {
      const { store, open } = await opened()
      const at = own()
      expect(await store.read(at)).toBeUndefined()
      expect(await store.create(at, text('one'))).toBe(true)
      const again = await open()
      expect(again.uri).toBe(store.uri)
      expect((await again.read(at))?.bytes).toEqual(text('one'))
      expect((await again.read(at))?.tag).toBe((await store.read(at))?.tag)
    })

    it('creates nothing where something is', async () => {
      const { store } = await opened()
      const at = `${own()}/a.b-c`
      expect(await store.create(at, text('one'))).toBe(true)
      for (const bytes of [text('two'), text('one')]) expect(await store.create(at, bytes)).toBe(false)
      expect((await store.read(at))?.bytes).toEqual(text('one'))
    })

    it('holds any bytes, none and as many as an object may have, and takes no more', async () => {
      const { store } = await opened()
      for (const bytes of [new Uint8Array(), new Uint8Array(randomBytes(OBJECT_LIMIT)), text('\r\n\0ü')]) {
        const at = own()
        expect(await store.create(at, bytes)).toBe(true)
        expect((await store.read(at))?.bytes).toEqual(bytes)
      }
      await expect(store.create(own(), new Uint8Array(OBJECT_LIMIT + 1))).rejects.toThrow(RangeError)
    })

    it('replaces under the tag of what is there alone', async () => {
      const { store } = await opened()
      const at = own()
      await store.create(at, text('one'))
      const first = (await store.read(at))?.tag ?? ''
      expect(await store.replace(at, text('two'), first)).toBe(true)
      const second = (await store.read(at))?.tag ?? ''
      expect(second).not.toBe(first)
      expect(await store.replace(at, text('three'), first)).toBe(false)
      expect((await store.read(at))?.bytes).toEqual(text('two'))
      expect(await store.replace(own(), text('three'), second)).toBe(false)
      expect(await store.replace(at, text('three'), second)).toBe(true)
      expect((await store.read(at))?.bytes).toEqual(text('three'))
    })

    it('lets one of many writers create', async () => {
      const { store, open } = await opened()
      const at = own()
      const stores = [store, await open()]
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (stores[n % 2] as Store).create(at, text(`writer ${n}`))),
      )
      expect(made.filter(Boolean)).toHaveLength(1)
      expect((await store.read(at))?.bytes).toEqual(text(`writer ${made.indexOf(true)}`))
    })

    it('lets one of many writers replace', async () => {
      const { store, open } = await opened()
      const at = own()
      await store.create(at, text('start'))
      const tag = (await store.read(at))?.tag ?? ''
      const stores = [store, await open()]
      const made = await Promise.all(
        Array.from({ length: 20 }, (_, n) => (stores[n % 2] as Store).replace(at, text(`writer ${n}`), tag)),
      )
      expect(made.filter(Boolean)).toHaveLength(1)
      expect((await store.read(at))?.bytes).toEqual(text(`writer ${made.indexOf(true)}`))
    })

    it('loses none of many steps that each begin where another ended', async () => {
      const { store, open } = await opened()
      const at = own()
      const steps = many(5, 20, 100)
      await store.create(at, text('0'))
      const climb = async (by: Store): Promise<void> => {
        for (let left = steps; left > 0; ) {
          const now = await by.read(at)
          const next = Number(Buffer.from(now?.bytes ?? []).toString()) + 1
          if (await by.replace(at, text(String(next)), now?.tag ?? '')) left--
        }
      }
      await Promise.all([climb(store), climb(await open()), climb(store)])
      expect((await store.read(at))?.bytes).toEqual(text(String(3 * steps)))
    })

    it('removes an object for good, and lets another have its name', async () => {
      const { store, letsGo = true } = await opened()
      const at = own()
      expect(await store.remove(at)).toBe('gone')
      await store.create(at, text('one'))
      const { tag } = (await store.read(at)) ?? { tag: '' }
      await store.replace(at, text('two'), tag)
      expect(await store.remove(at)).toBe(letsGo ? 'gone' : 'kept')
      expect(await store.read(at)).toBeUndefined()
      expect(await store.list('')).not.toContain(at)
      expect(await store.replace(at, text('three'), tag)).toBe(false)
    })

    shows('over a marker', 'creates again where something was removed', async () => {
      const { store } = await opened()
      const at = own()
      await store.create(at, text('one'))
      const { tag } = (await store.read(at)) ?? { tag: '' }
      await store.remove(at)
      expect(await store.create(at, text('two'))).toBe(true)
      expect(await store.replace(at, text('three'), `${tag}0`)).toBe(false)
      expect((await store.read(at))?.bytes).toEqual(text('two'))
    })

    it('lists all names below a prefix, those that only begin alike not among them', async () => {
      const { store } = await opened()
      const below = own()
      const names = ['a/b', 'a.b', 'a/c/d', 'a-b/c'].map((name) => `${below}/${name}`)
      for (const at of [...names, `${below}x/a`]) await store.create(at, text(at))
      expect(await store.list(below)).toEqual([...names].sort())
      expect(await store.list(`${below}/a`)).toEqual([`${below}/a/b`, `${below}/a/c/d`])
      expect(await store.list(own())).toEqual([])
      expect(await store.list('')).toEqual(expect.arrayContaining([...names, `${below}x/a`]))
    })

    it('takes no name that could lead elsewhere', async () => {
      const { store } = await opened()
      for (const at of [
        '',
        '/',
        '/a',
        'a/',
        'a//b',
        '.',
        '..',
        'a/../b',
        'A',
        'a b',
        '@1',
        'a\0',
        'a%2fb',
        'ü',
        '-a',
        'a.',
      ])
        await expect(store.create(at, text('x')), at).rejects.toThrow(RangeError)
    })

    shows('checksum', 'says that bytes were changed where they lie', async () => {
      const { store, spoil } = await opened()
      if (spoil === undefined) expect.fail('nobody can')
      const at = own()
      await store.create(at, text('sound'))
      await spoil(at)
      expect(await fault(store.read(at))).toBe('damaged')
      expect(await store.create(at, text('other'))).toBe(false)
    })
  })
}

import { describe, expect, it } from 'vitest'
import { openLog, readLog } from '../../src/audit/disk-log.ts'
import type { Checkpoint, Log } from '../../src/audit/log.ts'
import { leafHash, Tree, verifyConsistency, verifyInclusion } from '../../src/audit/merkle.ts'
import { ledgerOrigin, openCheckpoint } from '../../src/audit/note.ts'
import { publicKeyOf, rawSigner } from '../../src/identity/ed25519.ts'
import { identityOf } from '../../src/identity/identity.ts'
import type { Hash } from '../../src/lib/brand.ts'
import { fromHex, toHex, utf8 } from '../../src/lib/bytes.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { hashOf } from '../../src/lib/hash.ts'
import { Secret } from '../../src/lib/secret.ts'
import { eventCodec, type LogEvent } from '../../src/records/event.ts'
import { memoryDisk } from '../../src/rehearsal/memory-disk.ts'
import { LONG, many } from '../support/report.ts'
import { PowerLoss, seeded, simDisk } from '../support/sim-disk.ts'

const seed = (n: number): Secret => new Secret(new Uint8Array(32).fill(n))
const signer = rawSigner(seed(1))
const origin = ledgerOrigin(identityOf('site', publicKeyOf(seed(2))))
const path = 'ceremonies/7f3a/log'
const ceremony = hashOf(utf8('definition'))

const event = (object: Hash | null, at = 0): Omit<LogEvent, 'seq'> => ({
  at,
  what: 'message',
  ceremony,
  site: null,
  object,
})
const body = (n: number): Uint8Array => utf8(`body ${n % 7}`)
const add = (log: Log, n: number): number => log.append(event(hashOf(body(n)), n), body(n))

const code = async (work: Promise<unknown>): Promise<string | undefined> =>
  work.then(
    () => undefined,
    (error: unknown) => (error instanceof QuorateError ? error.code : String(error)),
  )

describe('log on disk', () => {
  it('comes back as its last barrier left it', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    expect(log.head).toBeUndefined()
    for (let n = 0; n < 5; n++) expect(add(log, n)).toBe(n)
    const head = await log.barrier()
    add(log, 5)
    expect(log.size).toBe(6)

    const again = await openLog({ disk, path, origin, signer })
    expect(again.head).toEqual(head)
    expect([...again.replay()]).toEqual([...log.replay()].slice(0, 5))
    expect(again.body(hashOf(body(3)))).toEqual(body(3))
    expect(openCheckpoint(head.note, origin, signer.key).size).toBe(5)
    const view = await readLog({ disk, path, origin, key: signer.key })
    expect(view.root(5)).toBe(head.root)
  })

  it('writes the same file for ever', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    for (let n = 0; n < 3; n++) add(log, n)
    await log.barrier()
    expect(hashOf(disk.files.get(path) ?? utf8(''))).toMatchInlineSnapshot(
      `"069949e64c3164ff688b4ea3f565ddc4feaa69fadd2f3fe4c6cd987209715bc5"`,
    )
  })

  it('gives the tree that its event bytes make, and its proofs', async () => {
    const log = await openLog({ disk: memoryDisk(), path, origin, signer })
    for (let n = 0; n < 20; n++) add(log, n)
    const tree = new Tree()
    const leaves = [...log.replay()].map((one) => leafHash(eventCodec.encode(one)))
    for (const leaf of leaves) tree.append(leaf)
    expect(log.root(20)).toBe(toHex(tree.root()))
    const proof = log.inclusion(7, 20).map(fromHex)
    expect(verifyInclusion(leaves[7] as Uint8Array, 7, 20, tree.root(), proof)).toBe(true)
    expect(verifyConsistency(9, 20, tree.root(9), tree.root(), log.consistency(9).map(fromHex))).toBe(true)
  })

  it('writes a body once, whatever refers to it', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    const large = new Uint8Array(10_000).fill(7)
    for (let n = 0; n < 3; n++) log.append(event(hashOf(large), n), large)
    await log.barrier()
    log.append(event(hashOf(large), 3), large)
    await log.barrier()
    expect(disk.files.get(path)?.length).toBeLessThan(13_000)
  })

  it.runIf(LONG)('takes as many events in one barrier as come', async () => {
    const disk = simDisk()
    const log = await openLog({ disk, path, origin, signer })
    for (let n = 0; n < 125_000; n++) log.append(event(null, n))
    expect((await log.barrier()).size).toBe(125_000)
  })

  it('refuses a body that is not the object of its event', async () => {
    const log = await openLog({ disk: memoryDisk(), path, origin, signer })
    expect(() => log.append(event(hashOf(body(1))), body(2))).toThrow(RangeError)
    expect(() => log.append(event(null), body(2))).toThrow(RangeError)
    expect(log.size).toBe(0)
  })

  it('signs nothing anew where nothing was added, and keeps barriers in turn', async () => {
    const log = await openLog({ disk: memoryDisk(), path, origin, signer })
    add(log, 0)
    const first = log.barrier()
    add(log, 1)
    const [a, b, c] = await Promise.all([first, log.barrier(), log.barrier()])
    expect([a.size, b.size, c.size]).toEqual([2, 2, 2])
    expect(await log.barrier()).toBe(log.head)
  })

  it('cuts whatever stands after the last barrier, of any length', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    add(log, 0)
    const head = await log.barrier()
    const whole = disk.files.get(path) as Uint8Array
    add(log, 1)
    await log.barrier()
    const longer = disk.files.get(path) as Uint8Array
    for (let length = whole.length; length < longer.length; length++) {
      disk.files.set(path, longer.slice(0, length))
      const cut = await openLog({ disk, path, origin, signer })
      expect(cut.head).toEqual(head)
      expect(disk.files.get(path)).toEqual(whole)
    }
    const reused = await openLog({ disk, path, origin, signer })
    add(reused, 1)
    await reused.barrier()
    expect(disk.files.get(path)).toEqual(longer)
  })

  it('stores a body again that fell away with the tail', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    add(log, 0)
    await log.barrier()
    add(log, 1)
    await log.barrier()
    const file = disk.files.get(path) as Uint8Array
    disk.files.set(path, file.slice(0, -1))
    const again = await openLog({ disk, path, origin, signer })
    expect(again.body(hashOf(body(1)))).toBeUndefined()
    add(again, 1)
    await again.barrier()
    expect((await openLog({ disk, path, origin, signer })).body(hashOf(body(1)))).toEqual(body(1))
  })

  it('calls every flipped byte before the last barrier damage', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    add(log, 0)
    await log.barrier()
    add(log, 1)
    const before = (disk.files.get(path) as Uint8Array).length
    await log.barrier()
    const file = disk.files.get(path) as Uint8Array
    for (let at = 0; at < before; at++) {
      disk.files.set(
        path,
        file.map((b, i) => (i === at ? b ^ 0x20 : b)),
      )
      expect(await code(openLog({ disk, path, origin, signer }))).toBe('E_LOG')
      expect(await code(readLog({ disk, path, origin, key: signer.key }))).toBe('E_LOG')
    }
  })

  it('refuses another key and another log', async () => {
    const disk = memoryDisk()
    const log = await openLog({ disk, path, origin, signer })
    add(log, 0)
    await log.barrier()
    expect(await code(openLog({ disk, path, origin, signer: rawSigner(seed(9)) }))).toBe('E_LOG')
    expect(await code(openLog({ disk, path, origin: `${origin}x`, signer }))).toBe('E_LOG')
  })
})

describe('log on a disk that fails', () => {
  /** Five barriers of three events; `acknowledged` gets each checkpoint that the log promised. */
  const work = async (disk: ReturnType<typeof simDisk>, acknowledged: Checkpoint[]): Promise<void> => {
    const log = await openLog({ disk, path, origin, signer })
    for (let n = log.size; n < 15; n++) {
      add(log, n)
      if (n % 3 === 2) acknowledged.push(await log.barrier())
    }
  }

  const expectPromises = async (disk: ReturnType<typeof simDisk>, acknowledged: readonly Checkpoint[]) => {
    const log = await openLog({ disk, path, origin, signer })
    const promised = acknowledged.at(-1)
    expect(log.size).toBeGreaterThanOrEqual(promised?.size ?? 0)
    if (promised !== undefined) expect(log.root(promised.size)).toBe(promised.root)
    expect(log.size % 3).toBe(0)
    for (const one of log.replay()) expect(log.body(one.object as Hash)).toEqual(body(one.seq))
  }

  it('keeps every promise through a crash at every operation, twice over', async () => {
    const quiet = simDisk()
    await work(quiet, [])
    for (let run = 0; run < many(2, 10, 200); run++)
      for (let k = 0; k < quiet.operations; k++) {
        const disk = simDisk(seeded(run * 1000 + k))
        const acknowledged: Checkpoint[] = []
        for (const again of [k, (k * 7 + run) % 12]) {
          disk.crashAt(again)
          await work(disk, acknowledged).catch((error: unknown) => expect(error).toBeInstanceOf(PowerLoss))
          disk.reboot()
          await expectPromises(disk, acknowledged)
        }
        await work(disk, acknowledged)
        disk.reboot()
        await expectPromises(disk, acknowledged)
        expect((await openLog({ disk, path, origin, signer })).size).toBe(15)
      }
  })

  it('makes durable what a killed process left before anybody acts on it', async () => {
    const quiet = simDisk()
    await work(quiet, [])
    for (let k = 0; k < quiet.operations; k++) {
      const disk = simDisk(seeded(k))
      disk.crashAt(k)
      await work(disk, []).catch((error: unknown) => expect(error).toBeInstanceOf(PowerLoss))
      disk.restart()
      const { head } = await openLog({ disk, path, origin, signer })
      disk.reboot()
      await expectPromises(disk, head === undefined ? [] : [head])
    }
  })

  it.each(['ENOSPC', 'EIO'] as const)(
    'surfaces %s at every operation as E_DISK and goes on once reopened',
    async (what) => {
      const quiet = simDisk()
      await work(quiet, [])
      for (let k = 0; k < quiet.operations; k++) {
        const disk = simDisk(seeded(k))
        disk.failAt(k, what)
        const acknowledged: Checkpoint[] = []
        expect(await code(work(disk, acknowledged))).toBe('E_DISK')
        await expectPromises(disk, acknowledged)
        await work(disk, acknowledged)
        disk.reboot()
        await expectPromises(disk, acknowledged)
        expect((await openLog({ disk, path, origin, signer })).size).toBe(15)
      }
    },
  )

  it('takes nothing more after a failed barrier, until it is opened again', async () => {
    const disk = simDisk()
    const log = await openLog({ disk, path, origin, signer })
    add(log, 0)
    disk.failAt(0, 'ENOSPC')
    expect(await code(log.barrier())).toBe('E_DISK')
    expect(() => add(log, 1)).toThrow(QuorateError)
    expect(await code(log.barrier())).toBe('E_DISK')
    expect((await openLog({ disk, path, origin, signer })).size).toBe(0)
  })
})

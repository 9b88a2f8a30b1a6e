import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { verifyBundle } from '../../src/audit/verify.ts'
import { protocolEvidence } from '../../src/ceremony/blame/verify-evidence.ts'
import { joinCeremony } from '../../src/ceremony/engine/join.ts'
import type { JoinControl } from '../../src/ceremony/store/ceremony.ts'
import { QuorateError } from '../../src/lib/errors.ts'
import { type Chain, open, sharedChain } from '../support/bundles.ts'
import { quorate } from '../support/cli.ts'
import { keygenDefinition, siteEntries } from '../support/definition.ts'
import { approveIn, memorySite, memoryWorld } from '../support/memory-site.ts'
import { seededRandom } from '../support/random.ts'
import { many, report, SEED } from '../support/report.ts'

/** Bytes of each bundle that are changed one at a time; all of them where they are fewer. */
const SAMPLE = many(40, 200, Number.POSITIVE_INFINITY)
const BY_COMMAND = 5

let chain: Chain
let folder: string
beforeAll(async () => {
  chain = await sharedChain()
  folder = mkdtempSync(join(tmpdir(), 'quorate-flipped-'))
})
afterAll(() => rmSync(folder, { recursive: true }))

/** How a changed bundle is refused; anything but a verdict or an error that says so fails the test. */
const refusal = async (bytes: Uint8Array): Promise<'no bundle' | 'invalid'> => {
  try {
    const report = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
    expect(report.verdict).toBe('invalid')
    return 'invalid'
  } catch (error) {
    expect(error).toBeInstanceOf(QuorateError)
    expect(error).toMatchObject({ code: 'E_BUNDLE', exit: 1 })
    return 'no bundle'
  }
}

/** The smallest bundle there is: of one of two sites, that left before it met the other. */
const leftAlone = async (): Promise<Uint8Array> => {
  const world = await memoryWorld(['eu'])
  const definition = await keygenDefinition({ sites: await siteEntries(['eu', 'us']), threshold: 2 })
  await approveIn(world, 'eu', definition)
  const stop = new AbortController()
  let control: JoinControl | undefined
  const left = new QuorateError('E_ABORTED', 'this site left the ceremony', 'plan a new definition')
  const joining = joinCeremony(await memorySite(world, 'eu'), definition, {
    progress: ({ phase }) => {
      if (phase === 'preflight')
        void Promise.resolve()
          .then(() => control?.abort('not now'))
          .then(() => stop.abort(left))
    },
    signal: stop.signal,
    message: null,
    check: false,
    control: (given) => {
      control = given
    },
  })
  const error = await joining.catch((reason: unknown) => reason)
  const path = error instanceof QuorateError ? error.details['bundle'] : undefined
  const bytes = typeof path === 'string' ? await world.homes.get('eu')?.disk.read(path) : undefined
  if (bytes === undefined) throw new Error(`no bundle: ${String(error)}`)
  const whole = await verifyBundle(await open(bytes), { trust: 'stated', evidence: protocolEvidence })
  expect([whole.verdict, whole.bundle.state]).toEqual(['valid', 'aborted'])
  return bytes
}

const flipped = (bundle: Uint8Array, at: number, mask: number): Uint8Array => {
  const altered = bundle.slice()
  altered[at] = (altered[at] ?? 0) ^ mask
  return altered
}
const random = seededRandom('flipped')
const places = (length: number): readonly number[] => {
  if (length <= SAMPLE) return Array.from({ length }, (_, at) => at)
  const picked = new Set<number>()
  while (picked.size < SAMPLE) picked.add(Buffer.from(random(4)).readUInt32BE() % length)
  return [...picked]
}
const mask = (): number => 1 << ((random(1)[0] ?? 0) % 8)

describe('a bundle that is not as it was', () => {
  test('in one byte: refused', async () => {
    for (const [name, bundle] of [
      ['sign', chain.signBundle],
      ['keygen', chain.keygenBundle],
    ] as const) {
      const counts = { 'no bundle': 0, invalid: 0 }
      const all = places(bundle.length)
      for (const at of all) counts[await refusal(flipped(bundle, at, mask()))] += 1
      report(
        `${name}: ${all.length} of ${bundle.length} bytes flipped, one at a time: ${counts['no bundle']} no bundle, ${counts.invalid} invalid, 0 taken`,
      )
      expect(counts['no bundle'] + counts.invalid).toBe(all.length)
    }
  })

  test('in any one byte (a sample by day), where it is small: refused', async () => {
    const bundle = await leftAlone()
    const counts = { 'no bundle': 0, invalid: 0 }
    const step = many(61, 1, 1)
    let tried = 0
    for (let at = SEED % step; at < bundle.length; at += step) {
      counts[await refusal(flipped(bundle, at, mask()))] += 1
      tried += 1
    }
    report(
      `of a site that left: ${tried} of ${bundle.length} bytes flipped: ${counts['no bundle']} no bundle, ${counts.invalid} invalid, 0 taken`,
    )
    expect(counts['no bundle'] + counts.invalid).toBe(tried)
  })

  test('cut short, longer, or with two blocks in each other’s place: refused', async () => {
    const bundle = chain.signBundle
    const step = many(512 * 128, 512 * 16, 512)
    let tried = 0
    for (let at = 0; at < bundle.length; at += step) {
      await refusal(bundle.slice(0, at))
      const moved = bundle.slice()
      const block = moved.slice(at, at + 512)
      moved.copyWithin(at, (at + 1024) % (bundle.length - 512), ((at + 1024) % (bundle.length - 512)) + 512)
      moved.set(block, (at + 1024) % (bundle.length - 512))
      if (Buffer.compare(moved, bundle) !== 0) await refusal(moved)
      tried += 2
    }
    for (const more of [1, 512, 10_240]) {
      const longer = new Uint8Array(bundle.length + more)
      longer.set(bundle)
      await refusal(longer)
      tried += 1
    }
    report(`${tried} bundles cut, lengthened or reordered: 0 taken`)
  })

  test('by the command: exit 1 and one line that says why', async () => {
    const path = join(folder, 'sign.bundle')
    const verify = () => quorate(['audit', 'verify', '--bundle', path, '--trust-stated', '--json'])
    writeFileSync(path, chain.signBundle)
    expect((await verify()).code).toBe(0)
    for (const at of places(chain.signBundle.length).slice(0, BY_COMMAND)) {
      writeFileSync(path, flipped(chain.signBundle, at, mask()))
      const { code, stdout, stderr } = await verify()
      expect({ at, code }).toEqual({ at, code: 1 })
      expect(JSON.parse(stdout)).toMatchObject({})
      expect(`${stdout}${stderr}`).not.toMatch(/\n {4}at |node:internal|unexpected/i)
    }
  })
})

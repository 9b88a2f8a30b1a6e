import { expect, test } from 'vitest'
import { LONG, NIGHTLY, report } from '../support/report.ts'
import { keygenTraffic } from '../support/traffic.ts'

const MB = 1_000_000

/** Sites, and the most that all of them together may send, and one bundle take. */
const bounds: readonly (readonly [sites: number, sent: number, bundle: number])[] = [
  [5, 2 * MB, MB],
  ...(LONG ? ([[16, 40 * MB, 6 * MB]] as const) : []),
  // Minutes of this machine's time.
  ...(NIGHTLY ? ([[32, 250 * MB, 20 * MB]] as const) : []),
]

test.each(bounds)(
  'a key generation of %i sites sends %i bytes at most, and its bundle has %i',
  async (sites, sent, most) => {
    const { frames, notes, bundle, open } = await keygenTraffic(sites)
    report(`keygen of ${sites} sites: ${frames} bytes of frames, ${notes} of notes, a bundle of ${bundle}`)
    expect(open).toEqual([])
    expect(frames).toBeGreaterThan(0)
    expect(frames + notes).toBeLessThan(sent)
    expect(bundle).toBeLessThan(most)
  },
)

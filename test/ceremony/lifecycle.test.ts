import { describe, expect, it } from 'vitest'
import { ceremonyKind } from '../../src/ceremony/kinds/index.ts'
import { phaseAfter, phaseOf } from '../../src/ceremony/lifecycle.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import type { LogEvent } from '../../src/records/event.ts'

const self = 'eu' as SiteId
const log = (...events: readonly (readonly [LogEvent['what'], string?])[]): LogEvent[] =>
  events.map(([what, site], seq) => ({
    seq,
    at: 0,
    what,
    ceremony: '00'.repeat(32) as Hash,
    site: (site ?? null) as SiteId | null,
    object: null,
  }))

const keygen = ceremonyKind({ kind: 'keygen' }).lifecycle

describe('lifecycle', () => {
  it('reads a whole keygen', () => {
    const events = log(
      ['opened'],
      ['joined'],
      ['attempt'],
      ['started'],
      ['staged', 'us'],
      ['staged', 'eu'],
      ['ready', 'eu'],
      ['ready', 'us'],
      ['installed', 'eu'],
      ['closing'],
    )
    const phases = events.map((_, at) => phaseOf(keygen, events.slice(0, at + 1), self, true))
    expect(phases).toEqual([
      'gathering',
      'gathering',
      'running',
      'running',
      'running',
      'staged',
      'ready',
      'ready',
      'installed',
      'closed',
    ])
  })

  it('goes back to gathering after a failed attempt and after a crash, never after a vote', () => {
    expect(phaseOf(keygen, log(['opened'], ['attempt'], ['failed']), self, true)).toBe('gathering')
    expect(phaseOf(keygen, log(['opened'], ['attempt'], ['staged', 'eu'], ['joined']), self, true)).toBe('gathering')
    expect(
      phaseOf(keygen, log(['opened'], ['attempt'], ['staged', 'eu'], ['ready', 'eu'], ['joined']), self, true),
    ).toBe('ready')
  })

  it.each([
    ['keygen', 'ready', 'failed'],
    ['keygen', 'ready', 'closing'],
    ['keygen', 'installed', 'attempt'],
    ['keygen', 'running', 'ready'],
    ['keygen', 'closed', 'attempt'],
    ['sign', 'done', 'attempt'],
    ['sign', 'aborted', 'attempt'],
    ['sign', 'gathering', 'closing'],
  ] as const)('%s has no way from %s by %s', (kind, phase, what) => {
    expect(() => phaseAfter(ceremonyKind({ kind }).lifecycle, phase, { what, site: self }, self)).toThrow(
      /^no ceremony of this kind goes/,
    )
  })

  it.each([
    ['keygen', 'ready'],
    ['keygen', 'installed'],
    ['keygen', 'closed'],
    ['sign', 'done'],
  ] as const)('%s in phase %s is not moved by an abort of the same site', (kind, phase) => {
    expect(phaseAfter(ceremonyKind({ kind }).lifecycle, phase, { what: 'abort', site: self }, self)).toBe(phase)
  })

  it('is not moved by what others say', () => {
    for (const what of ['staged', 'ready', 'installed', 'result', 'abort'] as const)
      expect(phaseAfter(keygen, 'gathering', { what, site: 'us' as SiteId }, self)).toBe('gathering')
  })
})

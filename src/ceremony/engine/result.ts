import { type FenceShown, fenceShown } from '../../audit/fence-shown.ts'
import type { Hash, SiteId } from '../../lib/brand.ts'
import type { Kind } from '../../records/kinds/index.ts'
import type { Topic } from '../../records/kinds/kind.ts'
import type { Closed } from '../close/close.ts'
import type { CeremonyResult } from '../kinds/kind.ts'
import type { Ceremony } from '../store/ceremony.ts'
import { leftOf } from './aborts.ts'

export interface JoinResult {
  readonly ceremony: Hash
  readonly kind: Kind
  /** The commands that run it. */
  readonly topic: Topic
  readonly name: string
  readonly site: SiteId
  /** `checked`: preflight and gather only. */
  readonly state: 'closed' | 'checked'
  readonly key: CeremonyResult['key'] | null
  /** Hex; of a sign ceremony. */
  readonly signature: string | null
  readonly signers: readonly SiteId[]
  /** The key that an emergency takes out of use, and who promised to leave it alone; null of every other kind. */
  readonly fences: FenceShown | null
  readonly bundle: string | null
  /** The parts that are missing from the bundle; empty: complete. */
  readonly open: readonly string[]
  /** Why members took themselves out, by name. */
  readonly left: Readonly<Record<string, string>>
}

const fenced = ({ authority, store }: Ceremony): FenceShown | undefined =>
  fenceShown(authority.definition, new Set([...store.fenced.values()].map(({ author }) => author.identity)))

/** `made` and `closed` are undefined of a join that only checked. */
export const joinResult = (
  ceremony: Ceremony,
  made: CeremonyResult | undefined,
  closed: Closed | undefined,
): JoinResult => ({
  ceremony: ceremony.authority.hash,
  kind: ceremony.authority.kind,
  topic: ceremony.authority.topic,
  name: ceremony.authority.name,
  site: ceremony.seat.name,
  state: made === undefined ? 'checked' : 'closed',
  key: made?.key ?? null,
  signature: made?.signature ?? null,
  signers: made?.signers ?? [],
  fences: fenced(ceremony) ?? null,
  bundle: closed?.bundle ?? null,
  open: closed?.open ?? [],
  left: leftOf(ceremony),
})

import type { Definition } from '../../records/definition.ts'
import type { JudgeFacts } from '../blame/claims.ts'
import type { Claims } from '../blame/pending-claims.ts'
import type { CeremonyKind, KindRun, Prepared } from '../kinds/kind.ts'
import type { Peers } from '../peers/peers.ts'

/** One join of one site: every decision is in the definition, so the room and CI run the same. */
export interface Run extends JudgeFacts {
  readonly peers: Peers
  readonly claims: Claims
  readonly kind: CeremonyKind<Definition>
  readonly prepared: Prepared
  readonly work: KindRun
}

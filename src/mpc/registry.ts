import { type ProtocolId, protocolIds } from '../records/definition-fields.ts'
import { frostFacts } from './frost/facts.ts'
import type { SuiteId } from './frost/suite.ts'
import type { ProtocolFacts } from './mailbox.ts'
import type { Scheme } from './scheme.ts'

interface Row {
  /** Of all protocols that bundles of this scheme can name. */
  readonly facts: readonly ProtocolFacts[]
  load(): Promise<Scheme>
}

const frost = (id: SuiteId): Row => ({
  facts: Object.values(frostFacts(id)),
  load: async () => (await import('./frost/scheme.ts')).frostScheme(id),
})

/** One row a protocol id; each imports what it needs, when it is needed. */
const schemes: Readonly<Record<ProtocolId, Row>> = {
  'frost-ed25519': frost('frost-ed25519'),
  'frost-ed448': frost('frost-ed448'),
  'frost-p256': frost('frost-p256'),
  'frost-ristretto255': frost('frost-ristretto255'),
  'frost-secp256k1': frost('frost-secp256k1'),
  'frost-secp256k1-tr': frost('frost-secp256k1-tr'),
}

export const loadScheme = (id: ProtocolId): Promise<Scheme> => schemes[id].load()

const facts = new Map(protocolIds.flatMap((id) => schemes[id].facts).map((one) => [one.id, one] as const))

/** Facts of the protocol that a message or a claim names; undefined where no scheme has one of that name. */
export const protocolFacts = (protocol: string): ProtocolFacts | undefined => facts.get(protocol)

import type { Definition } from '../../records/definition.ts'
import type { Kind } from '../../records/kinds/index.ts'
import { inBundle, rowOfKind } from '../../records/kinds/row.ts'
import type { BundleFacts } from '../bundle-facts.ts'
import type { CeremonyResult } from '../ceremony-result.ts'
import { emergency } from './emergency.ts'
import { keygen } from './keygen.ts'
import type { AuditKind } from './kind.ts'
import { readmit } from './readmit.ts'
import { reconstruct } from './reconstruct.ts'
import { refresh } from './refresh.ts'
import { repair } from './repair.ts'
import { reshare } from './reshare.ts'
import { rewrap } from './rewrap.ts'
import { sign } from './sign.ts'

/** Every kind that an auditor can judge; the same keys as the records' table. */
export const auditKinds = {
  keygen,
  sign,
  refresh,
  reshare,
  repair,
  reconstruct,
  readmit,
  emergency,
  rewrap,
} satisfies Record<Kind, AuditKind>

/** The row of a definition's kind. Throws E_BUNDLE where there is none: what no check knows is never called valid. */
export const auditKind = ({ kind }: Pick<Definition, 'kind'>): AuditKind =>
  rowOfKind(auditKinds, kind, 'judge', inBundle)

/** The result of the ceremony, by the records of its bundle; undefined where they show none. */
export const resultOf = (facts: BundleFacts): CeremonyResult | undefined => auditKind(facts.definition).result(facts)

import type { Hash, Identity } from '../../lib/brand.ts'
import { shortId } from '../../records/short-id.ts'
import type { Lines } from '../term.ts'
import { shortIdentity } from '../text.ts'

export const approvedView = (approved: {
  readonly ceremony: Hash
  readonly identity: Identity
  readonly role: 'site' | 'approver'
  readonly file: string
  readonly kind: string
  readonly name: string
  readonly as: string
}): Lines => [
  {
    label: 'approved',
    text: `${approved.kind} ${approved.name}  ${shortId(approved.ceremony)}`,
    note: `by ${approved.as} (${shortIdentity(approved.identity)})`,
  },
  { label: 'id', text: approved.ceremony },
  { label: 'file', text: approved.file },
  approved.role === 'site'
    ? { label: 'next', text: `quorate ${approved.kind} join --ceremony ${shortId(approved.ceremony)}` }
    : { label: 'next', text: 'carry the file to a site: ceremonies/ID/approvals/ in its home' },
]

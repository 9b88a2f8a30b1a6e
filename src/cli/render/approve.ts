import type { Hash, Identity } from '../../lib/brand.ts'
import type { Kind } from '../../records/kinds/index.ts'
import type { Topic } from '../../records/kinds/kind.ts'
import { shortId } from '../../records/short-id.ts'
import type { Lines } from '../term.ts'
import { shortIdentity } from '../text.ts'

export const approvedView = (approved: {
  readonly ceremony: Hash
  readonly identity: Identity
  readonly role: 'site' | 'approver'
  readonly file: string
  readonly kind: Kind
  readonly topic: Topic
  readonly name: string
  readonly as: string
  readonly told: boolean
}): Lines => [
  {
    label: 'approved',
    text: `${approved.kind} ${approved.name}  ${shortId(approved.ceremony)}`,
    note: `by ${approved.as} (${shortIdentity(approved.identity)})`,
  },
  { label: 'id', text: approved.ceremony },
  { label: 'file', text: approved.file },
  {
    label: 'told',
    text: approved.told ? 'a relay shows it to the others' : 'no relay answered; a join will tell them',
  },
  approved.role === 'site'
    ? { label: 'next', text: `quorate ${approved.topic} join --ceremony ${shortId(approved.ceremony)}` }
    : {
        label: 'next',
        text: approved.told
          ? 'nothing more is asked of you'
          : 'carry the file to a site: ceremonies/ID/approvals/ in its home',
      },
]

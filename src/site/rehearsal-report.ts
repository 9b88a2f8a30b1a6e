import { parseTrust } from '../audit/trust.ts'
import { toEnvelope } from '../identity/dsse.ts'
import type { IdentityKey } from '../identity/identity-key.ts'
import type { Identity } from '../lib/brand.ts'
import { type RehearsalReport, rehearsalCodec } from '../records/rehearsal.ts'
import type { Act, Rehearsal } from '../rehearsal/rehearse.ts'
import { openSigned } from './signed-report.ts'

const MOST_TEXT = 2000

/** An error may be longer than a report's line; a page of it says as much. */
const cut = (text: string): string => [...text].slice(0, MOST_TEXT / 2).join('')

const actOf = ({ joins, end }: Act): RehearsalReport['first'] => ({
  joins: joins.map(({ site, fault, killed, phases }) => ({
    site,
    code: fault?.code ?? null,
    message: fault === null ? null : cut(fault.message),
    exit: fault?.exit ?? (killed === null ? 0 : null),
    killed,
    phases: [...phases],
  })),
  end: { state: end.state, by: [...end.by], waiting: [...end.waiting], guilty: [...end.guilty] },
})

type Facts = Pick<RehearsalReport, 'ceremony' | 'kind' | 'name' | 'protocol' | 'at' | 'seed' | 'build' | 'runtime'>

const reportOf = (
  { begins, same, replaced, faults, first, again }: Rehearsal,
  identity: Identity,
  facts: Facts,
): RehearsalReport => ({
  ...facts,
  identity,
  begins,
  same: [...same],
  replaced: [...replaced],
  faults: faults.map(({ fault, happened }) => ({ fault, happened })),
  first: actOf(first),
  again: again === null ? null : actOf(again),
})

/** The DSSE envelope of a report. */
export const signReport = async (
  { identity, signer }: IdentityKey,
  facts: Facts,
  rehearsal: Rehearsal,
): Promise<Uint8Array> => toEnvelope(await signer.sign(rehearsalCodec, reportOf(rehearsal, identity, facts)))

/** The report of a rehearsal, as `openSigned` takes it. */
export const readReport = (envelope: Uint8Array, trustFile: string): RehearsalReport =>
  openSigned(rehearsalCodec, envelope, parseTrust(trustFile))

import type { SiteId } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { recordKind } from '../../records/definition.ts'
import { shortId } from '../../records/short-id.ts'
import type { Phase } from '../lifecycle.ts'
import type { Peer } from '../peers/ledger-exchange.ts'
import type { Ceremony } from '../store/ceremony.ts'

type Noted = Pick<Peer, 'member' | 'said'>

/** Sites whose notes say that they have what this ceremony makes: their own word, and no proof of it. */
const finished = (peers: Iterable<Noted>): readonly SiteId[] =>
  [...peers].filter(({ said }) => said === 'done' || said === 'closed').map(({ member }) => member.name)

/** Phases in which shares are out. */
const AT_WORK: readonly string[] = ['running', 'staged', 'ready', 'installed', 'retired'] satisfies readonly Phase[]

/**
 * How far this ceremony has come, for somebody who has to decide what to do next: from this site's own log (what it gave
 * that others may use) and from the notes of the others. The only sentence that says that nothing has happened yet.
 */
export const soFar = ({ kind, log, seat, authority, attempts }: Ceremony, peers: Iterable<Noted>): string => {
  const { makes } = recordKind(authority.definition)
  const have = finished(peers)
  if (have.length > 0)
    return `the ${makes} is made, ${have.length === 1 ? `says ${have[0]}, who has` : `say ${have.join(', ')}, who have`} it`
  const busy = [...peers].flatMap(({ said, member }) =>
    said !== undefined && AT_WORK.includes(said) ? member.name : [],
  )
  const bound = kind.boundBy(log, seat.name, authority.definition)
  if (bound !== undefined) return `the ${makes} may exist at the others: ${bound.replace(/\bit\b/, 'this site')}`
  if (makes === 'signature' && busy.length > 0)
    return `the signature may be made without this site: ${busy.join(', ')} ${busy.length === 1 ? 'is' : 'are'} at it`
  return attempts.length === 0 ? 'nothing has happened yet' : 'nothing that this site gave can be used without it'
}

/**
 * The end of a gathering that can bring nothing: those who have not finished are too few for another attempt. A key is made
 * by all, and its vote is carried by notes; nobody is left out of it.
 */
export const madeWithout = (
  { authority, seat, attempts }: Pick<Ceremony, 'authority' | 'seat' | 'attempts'>,
  peers: Iterable<Noted>,
): QuorateError | undefined => {
  const { definition } = authority
  const have = finished(peers)
  const rest = authority.candidates.filter(({ name }) => !have.includes(name))
  if (recordKind(definition).makes !== 'signature' || rest.length >= authority.seats) return undefined
  const word = `as ${have.join(', ')} ${have.length === 1 ? 'says' : 'say'}`
  return new QuorateError(
    'E_QUORUM',
    attempts.length === 0
      ? `signed without ${seat.name}, ${word}`
      : `signed, ${word}; nobody who has the signature is here`,
    `nothing more is asked of this site. To have the signature here too: one of them runs \`quorate ${authority.topic} join\` for ${shortId(authority.hash)} while this site does`,
    { finished: have },
  )
}

import type { Ceremony } from '../../src/ceremony/store/ceremony.ts'
import type { Hash, SiteId } from '../../src/lib/brand.ts'
import { type HeardSession, heardBy } from './ceremonies.ts'
import type { CeremonyTold, Said } from './ceremony-lies.ts'
import { type LieName, seenAtOnce } from './lies.ts'

/** What ended a session that did not come to its own end; undefined where it did. */
const endOf = (ceremony: Ceremony, { attempt, session }: HeardSession): string | undefined => {
  const { reason } = session.signal
  if (reason !== undefined)
    return reason instanceof Error ? reason.name.replace('BlameError', 'another lie') : 'stopped'
  const failed = ceremony.events('failed').some((event) => event.object === attempt)
  return failed ? 'silence' : undefined
}

const lateMessage = (ceremony: Ceremony, lie: LieName, { bytes, beside }: Said): string | undefined => {
  const sessions = heardBy(ceremony).sessions.filter(({ took }) => bytes.every((one) => took.has(one)))
  if (sessions.length === 0) return 'no session had it'
  const ends = sessions.map((one) => {
    if (seenAtOnce.has(lie) && beside !== undefined && one.opened.has(beside)) return undefined
    const end = endOf(ceremony, one)
    return end === undefined ? undefined : `its session had ended: ${end}`
  })
  return ends.includes(undefined) ? undefined : ends[0]
}

/** Faults of a word that are seen beside something else that the site holds; the others are seen at once. */
const lateWord = (
  ceremony: Ceremony,
  liar: SiteId,
  { lie, about }: CeremonyTold,
  { bytes, beside }: Said,
): string | undefined => {
  const { words, sessions } = heardBy(ceremony)
  if (!bytes.every((one) => words.has(one))) return bytes.length > 1 ? 'nobody had both' : 'no join had it'
  if (['does not decode', 'of another ceremony', 'of another site'].includes(lie)) return undefined
  const { store } = ceremony
  switch (about) {
    case 'possession':
    case 'test-signature':
      return ceremony.events('record').some((event) => event.object === beside)
        ? undefined
        : 'its record was not reached'
    case 'staged': {
      if (bytes.length > 1) return undefined
      const session = sessions.find(({ attempt }) => attempt === beside)
      const end = session === undefined ? 'none' : endOf(ceremony, session)
      return end === undefined ? undefined : `its session had ended: ${end}`
    }
    case 'installed':
      return store.ready.has(liar) ? undefined : 'no vote of its site was there'
    case 'result':
      return store.attempts.has(beside as Hash) ? undefined : 'its attempt was not known'
    default:
      return undefined
  }
}

/**
 * Why this honest site had no way to prove a lie: it never came to it, or came when it could not be judged any more.
 * Undefined: it could.
 */
export const whyLate = (ceremony: Ceremony, liar: SiteId, told: CeremonyTold, session: boolean): string | undefined => {
  const reasons = told.said.map((one) =>
    session ? lateMessage(ceremony, told.lie as LieName, one) : lateWord(ceremony, liar, told, one),
  )
  return reasons.includes(undefined) ? undefined : (reasons.find((one) => !/^no/.test(one ?? '')) ?? reasons[0])
}

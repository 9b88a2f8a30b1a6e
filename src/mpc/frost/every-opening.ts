import type { Party } from '../../lib/brand.ts'
import { DecodeError } from '../../records/codec.ts'
import type { JudgedMessage } from '../mailbox.ts'

/**
 * Openings of all parties of a session that have one, in party order: of the `named` and of whoever else sent a message. Throws DecodeError that names the first whose opening is missing or fails a check.
 */
export const everyOpening = <T extends object>(
  messages: readonly JudgedMessage[],
  named: readonly Party[],
  openedIn: (party: Party) => T | string | undefined,
): readonly T[] => {
  const parties = [...new Set([...named, ...messages.map(({ from }) => from)])].sort((a, b) => a - b)
  return parties.flatMap((party) => {
    const opened = openedIn(party)
    if (opened === 'missing') throw new DecodeError(`party ${party}: its dealing is not here`)
    if (typeof opened === 'string') throw new DecodeError(`party ${party}: ${opened}`)
    return opened === undefined ? [] : [opened]
  })
}

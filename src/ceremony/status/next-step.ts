import { lateIn } from '../../lib/open-points.ts'
import { type Definition, recordKind } from '../../records/definition.ts'
import type { Topic } from '../../records/kinds/kind.ts'
import type { Phase } from '../lifecycle.ts'
import type { MemberStatus, Status } from './describe.ts'

/** A signature that was made without this site. By their own word: this site has seen no proof of it. */
export const finishedElsewhere = (definition: Definition, phase: Phase, members: readonly MemberStatus[]): boolean => {
  const begun = phase !== 'drafted' && phase !== 'approved' && phase !== 'gathering'
  const done = members.filter((member) => member.phase === 'done' || member.phase === 'closed')
  return recordKind(definition).makes === 'signature' && !begun && done.length >= definition.threshold
}

interface Facts {
  readonly waiting: string
  /** Those who are not gone are enough. */
  readonly possible: boolean
  readonly voters: ReadonlySet<string>
  readonly receipts: ReadonlySet<string>
  /** A process of this site was in this ceremony. */
  readonly joined: boolean
  readonly forgetful: boolean
}

/** Faults whose remedy is not this site's alone: what to do follows from where all stand, not from the old hint. */
const OUTDATED = ['E_APPROVALS_MISSING', 'E_NOT_FINISHED', 'E_ATTEMPTS', 'E_STOPPED', 'E_WINDOW', 'E_ABORTED']

export const nextStep = (status: Omit<Status, 'next'>, facts: Facts): string => {
  const { phase, proven, left, running, lastJoin, window, members } = status
  const { topic } = recordKind(status)
  const join = `\`quorate ${topic} join\``
  const anew = 'plan a new definition'
  if (facts.forgetful)
    return 'nobody runs from this home any more: it was restored or cloned, or its disk lost what it had written; keep it as evidence, and sign with the other sites'
  if (phase === 'closed') return afterClosing(status, join)
  if (phase === 'aborted')
    return proven.length > 0 ? `look into ${proven.join(', ')}, then ${anew}` : `${anew} when all agree`
  if (running === 'mute')
    return `look at the process that holds this home (it may be stopped, or hang) and end it; then run ${join} here again`
  if (running === 'other') return `wait until the other process of this home has ended; then run ${join}`
  const names = members.flatMap(({ name }) => (name.startsWith('approver ') ? [] : [name]))
  if (phase === 'ready' || phase === 'installed' || phase === 'retired') {
    if (!facts.possible && phase === 'ready')
      return undecided(Object.keys(left), topic, recordKind(status).buildsOn === 'nothing')
    const late = names.filter((name) => !(phase === 'ready' ? facts.voters : facts.receipts).has(name))
    const who = late.length === 0 ? 'all sites' : `${late.join(', ')} and then all the others`
    return `${who} run ${join} until it says closed; what was voted for is safe on the disk`
  }
  if (phase === 'done')
    return recordKind(status).makes === 'signature'
      ? `the signers run ${join} to finish the bundle; the signature is made`
      : `all who take part run ${join} to finish the bundle; this site has done its part`
  if (!facts.possible) return `${Object.keys(left).join(', ')} left, and those who remain are not enough: ${anew}`
  if (window.is === 'closed') return `the window closed at ${window.closes}: ${anew}`
  if (running === 'join') {
    const still = facts.waiting !== '' ? `waits for the approval of ${facts.waiting}` : 'goes on by itself'
    return `the join that runs here ${still}; whoever has not joined runs ${join}`
  }
  if (status.attempts.signed >= status.attempts.of)
    return `every attempt is used: find out why they failed, then ${anew}`
  if (phase === 'drafted') return `this site: \`quorate ${topic} approve\``
  if (lastJoin?.code != null && !OUTDATED.includes(lastJoin.code))
    return lastJoin.hint.replace(/(?:run|ran) (?:the same command|join) again/, `run ${join} again`)
  if (facts.waiting !== '') return `waiting for the approval of ${facts.waiting}; then all run ${join}`
  if (window.is === 'early') return `all sites run ${join} when the window opens, at ${window.opens}`
  if (facts.joined && lastJoin === null)
    return `run ${join} here again: the last one ended without a word (killed, or the machine stopped); the others can join at the same time`
  return `all sites run ${join}`
}

const undecided = (left: readonly string[], topic: Topic, fresh: boolean): string =>
  `this site has voted and waits for the vote of ${left.join(', ')}, who left: nothing is lost. Run \`quorate ${topic} join\` here again when there is news${fresh ? ', or plan a new definition' : `, or plan here what supersedes it (\`quorate ${topic} plan\`); until then the key signs with the old shares`}`

const afterClosing = ({ proven, open, kind, site }: Omit<Status, 'next'>, join: string): string => {
  if (proven.length > 0)
    return `ended by proof against ${proven.join(', ')}: verify the bundle, check that site, plan anew`
  if (open.length === 0) return 'nothing is left to do; verify the bundle'
  const who = [...lateIn(open, site), 'this site'].join(' and ')
  const { makes } = recordKind({ kind })
  const done = makes === 'proof' ? 'what it was for is done' : `the ${makes} is made`
  return `${done}; ${who} run ${join} at the same time to complete the bundle`
}

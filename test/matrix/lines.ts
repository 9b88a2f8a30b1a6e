import { recordKind } from '../../src/records/definition.ts'
import type { Command } from './line.ts'
import { commands } from './line.ts'
import { type Ceremony, standings, type World } from './world.ts'

/** One command line that a person may well type in this world. */
export interface Line {
  readonly command: Command
  /** By flag, as the line has them; true: a flag without a value. */
  readonly flags: Readonly<Record<string, true | string | readonly string[]>>
  /** The ceremony that it is about. */
  readonly about: string
}

export const argvOf = (flags: Line['flags']): readonly string[] =>
  Object.entries(flags).flatMap(([name, value]) =>
    [value].flat().flatMap((one) => (one === true ? [`--${name}`] : [`--${name}`, one])),
  )

/** Right values for a flag, by its name alone: a flag that is not here is typed with odd values only. */
const right = (world: World, command: Command, ceremony: Ceremony): Line['flags'] => ({
  offline: true,
  'no-input': true,
  home: world.at(command.id.startsWith('relay') ? 'locked' : command.id === 'identity create' ? 'new' : 'eu'),
  definition: ceremony.file,
  ceremony: ceremony.id,
  confirm: command.id === 'rotate emergency' ? world.key : ceremony.id,
  message: world.at('message'),
  trust: world.at('trust'),
  bundle: world.bundle,
  out: world.at('out'),
  reason: 'for a reason',
  incident: 'site-lost',
  report: world.at('report'),
  calendar: world.at('calendar'),
  lost: 'ap',
  to: command.id === 'recover plan' ? world.at('spare.card') : ['eu', 'us'].map((name) => world.at(`${name}.card`)),
  reports: world.at('reports'),
  name: 'new',
  protocol: 'frost-ed25519',
  threshold: '2',
  site: command.id === 'drill run' ? 'eu' : ['eu', 'us'].map((name) => world.at(`${name}.card`)),
  relay: world.relay,
  key: world.key,
  recipient: world.recipient,
  witness: 'us',
  approver: [...world.approvers],
  repair: true,
  metrics: true,
  identity: world.at('identity'),
  kms: `local:${world.at('kms/new.key')}`,
  jurisdiction: 'EU',
  control: 'org/account/admin',
  port: '0',
  folder: world.at('demo'),
  'passphrase-file': world.at('passphrase'),
  // The other sites never come.
  ...(command.id === 'rotate emergency' ? { gather: '1' } : {}),
})

/** The command with as many right flags as go together, once for each way to choose among those that exclude each other. */
const linesOf = (command: Command, given: Line['flags'], about: string): readonly Line[] => {
  const known = Object.keys(command.flags).filter((name) => Object.hasOwn(given, name))
  const rival = (a: string, b: string): boolean => {
    const [one, other] = [command.flags[a], command.flags[b]]
    return (
      [one?.exclusive, one?.exactlyOne].some((list) => list?.includes(b)) ||
      [other?.exclusive, other?.exactlyOne].some((list) => list?.includes(a))
    )
  }
  const rivals = known.filter((name) => known.some((other) => other !== name && rival(name, other)))
  const choices = rivals.length === 0 ? [undefined] : rivals
  return choices.map((chosen) => {
    const left = known.filter((name) => chosen === undefined || name === chosen || !rival(name, chosen))
    return { command, about, flags: Object.fromEntries(left.map((name) => [name, given[name] as string])) }
  })
}

/** Every command, about every ceremony of its kind. */
export const rightLines = (world: World): readonly Line[] =>
  commands.flatMap((command) => {
    const ofTopic = ['definition', 'ceremony'].some((name) => name in command.flags)
      ? standings.filter((name) => command.id.startsWith(recordKind(world.ceremonies[name].definition).topic))
      : []
    // A command of no topic takes the definition of any kind.
    const about = ofTopic.length === 0 ? (['signed'] as const) : ofTopic
    return about.flatMap((name) => linesOf(command, right(world, command, world.ceremonies[name]), name))
  })

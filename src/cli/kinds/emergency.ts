import { fencedIn } from '../../records/definition.ts'
import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import { cut, shortTime, siteNames, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'

/** Of those who suspend it, and of those who do not take part: can they sign? */
const fenceNote = (definition: EmergencyDefinition): string => {
  const { holders, threshold } = definition.fences
  const fenced = new Set(fencedIn(definition).map(({ identity }) => identity))
  const left = holders.filter(({ identity }) => !fenced.has(identity)).map(({ name }) => name)
  if (left.length === 0) return 'every holder of it'
  return left.length < threshold
    ? `${left.join(', ')} not; fewer than the ${threshold} that sign`
    : `${left.join(', ')} not, and they are enough to sign`
}

export const emergency: CliKind<EmergencyDefinition> = {
  about: ({ name, fences }) => [
    {
      label: 'ceremony',
      text: `emergency: a fresh key named ${name} in the place of ${fences.name}`,
      tone: 'strong',
    },
  ],
  uses: ({ fences }) => [
    { label: 'fences', text: `key ${cut(fences.key, 17)}`, note: `record ${cut(fences.base, 17)}` },
  ],
  decides: (definition) => {
    const { name, threshold, sites, fences } = definition
    const fenced = fencedIn(definition).map((site) => site.name)
    return [
      { label: 'reason', text: unpadded(fences.reason) },
      {
        label: 'old key',
        text: `${fences.name} ${fences.key.slice(0, 8)}: suspended at ${fenced.length === 0 ? 'none of these sites' : fenced.join(', ')}`,
        note: fenceNote(definition),
        tone: 'bad',
      },
      {
        label: 'old shares',
        text: 'are kept: what the old key protects has to be moved by it',
        note: `counted as that until ${shortTime(fences.sweep)}`,
      },
      {
        label: 'emergency',
        text: `a fresh key named ${name}`,
        tone: 'strong',
        note: `any ${threshold} of ${siteNames(sites)} sign`,
      },
    ]
  },
  whoApproves: () => 'every site',
}

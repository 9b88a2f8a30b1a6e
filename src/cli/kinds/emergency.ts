import type { EmergencyDefinition } from '../../records/kinds/emergency.ts'
import { cut, shortTime, siteNames, unpadded } from '../text.ts'
import type { CliKind } from './kind.ts'

type Holders = EmergencyDefinition['fences']['holders']

/** Holders of the old key that take part, by their names here, and those that do not. */
const partsIn = ({
  sites,
  fences,
}: EmergencyDefinition): { readonly fenced: readonly string[]; readonly left: Holders } => {
  const isHolder = new Set(fences.holders.map(({ identity }) => identity))
  const isHere = new Set(sites.map(({ identity }) => identity))
  return {
    fenced: sites.filter(({ identity }) => isHolder.has(identity)).map(({ name }) => name),
    left: fences.holders.filter(({ identity }) => !isHere.has(identity)),
  }
}

const fenceNote = (left: Holders, threshold: number): string => {
  const names = left.map(({ name }) => name).join(', ')
  if (left.length === 0) return 'every holder of it'
  return left.length < threshold
    ? `${names} not; fewer than the ${threshold} that sign`
    : `${names} not, and they are enough to sign`
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
    const { fenced, left } = partsIn(definition)
    return [
      { label: 'reason', text: unpadded(fences.reason) },
      {
        label: 'old key',
        text: `${fences.name} ${fences.key.slice(0, 8)}: suspended at ${fenced.length === 0 ? 'none of these sites' : fenced.join(', ')}`,
        note: fenceNote(left, fences.threshold),
        tone: 'bad',
      },
      {
        label: 'old shares',
        text: 'are kept: what it protects is moved by it',
        note: `signatures count as that until ${shortTime(fences.sweep)}`,
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

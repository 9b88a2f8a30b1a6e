import { QuorateError } from '../../lib/errors.ts'
import type { KeyVerified, ReplicaVerified, ShareVerified } from '../../site/keys-verify.ts'
import type { Line, Lines } from '../term.ts'
import { shellWord } from '../text.ts'

type Place = Pick<ReplicaVerified, 'state' | 'said' | 'hint'>

const isGood = ({ state }: Place): boolean => state === 'ok' || state === 'mended'

const line = (label: string, text: string, place: Place, more: string | null = null): Line[] => [
  {
    label,
    text,
    note: [isGood(place) ? place.said : place.state, more].filter((one) => one !== null).join('; '),
    noteTone: isGood(place) && more === null ? 'good' : 'bad',
  },
  ...(isGood(place) ? [] : [{ label: '', text: place.said } as const]),
  ...(place.hint === null ? [] : [{ label: 'hint', text: place.hint } as const]),
]

const replicaLine = (replica: ReplicaVerified): Line[] =>
  line(
    'replica',
    replica.store,
    replica,
    replica.older > 0
      ? `wrapped pieces of ${replica.older} older envelope${replica.older === 1 ? '' : 's'}`
      : replica.named
        ? null
        : 'site.yaml names it no more',
  )

const shareLines = (name: string, { epoch, home, replicas, slots }: ShareVerified): Line[] => [
  { label: 'share', text: `${name}, epoch ${epoch ?? 'unknown'}` },
  ...line('home', 'this disk', home),
  ...replicas.flatMap(replicaLine),
  ...slots.flatMap((slot) => line(`slot ${slot.slot}`, `${slot.key}  version ${slot.version}`, slot)),
]

export const keyVerifiedView = ({ key, name, shares }: KeyVerified): Lines =>
  shares.flatMap((share) => shareLines(name ?? key.slice(0, 8), share))

const placesOf = ({ home, replicas, slots }: ShareVerified): readonly (Place & { readonly at: string })[] => [
  { at: 'home', ...home },
  ...replicas.map((replica) => ({ ...replica, at: replica.store })),
  ...slots.map((slot) => ({ ...slot, at: slot.key })),
]

/** The fault where a place is not as it should be. */
export const keyFaultOf = ({ name, key, shares }: KeyVerified): QuorateError | undefined => {
  const bad = shares.flatMap((share) => placesOf(share).filter((place) => !isGood(place)))
  const older = shares.flatMap(({ replicas }) => replicas.filter(({ older: pieces }) => pieces > 0))
  if (bad.length + older.length === 0) return undefined
  const all = shares.flatMap(placesOf).length
  const mends = shares.flatMap(placesOf).some(({ hint }) => hint?.includes('--repair') === true)
  return new QuorateError(
    'E_REFUSED',
    bad.length > 0
      ? `${bad.length} of ${all} places of this share ${bad.length === 1 ? 'is' : 'are'} not as the record says`
      : 'wrapped pieces that should be gone are still in a store',
    `each line above says what is wrong with its place${mends ? `; what can be put right from here is: quorate keys verify --key ${shellWord(name ?? key)} --repair` : ', and what to do'}`,
    { places: [...bad.map(({ at }) => at), ...older.map(({ store }) => store)] },
  )
}

const quoted = (text: string): string =>
  `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll('\n', '\\n')}"`

const sample = (metric: string, labels: Readonly<Record<string, string>>, value: number): string =>
  `${metric}{${Object.entries(labels)
    .map(([label, text]) => `${label}=${quoted(text)}`)
    .join(',')}} ${value}`

/** The same in the text format of Prometheus. */
export const keyMetrics = ({ key, name, shares }: KeyVerified): string => {
  const common = { key, name: name ?? '' }
  const each = (metric: string, help: string, samples: readonly string[]): readonly string[] =>
    samples.length === 0 ? [] : [`# HELP ${metric} ${help}`, `# TYPE ${metric} gauge`, ...samples]
  const one = (place: Place): number => (isGood(place) ? 1 : 0)
  const of = <T>(pick: (share: ShareVerified) => readonly T[], say: (found: T, outcome: string) => string) =>
    shares.flatMap((share) => pick(share).map((found) => say(found, share.outcome)))
  return `${[
    ...each(
      'quorate_share_epoch',
      'Epoch of the share that this home holds.',
      shares.flatMap(({ outcome, epoch }) =>
        epoch === null ? [] : sample('quorate_share_epoch', { ...common, outcome }, epoch),
      ),
    ),
    ...each(
      'quorate_share_whole',
      '1: the files of the home are whole.',
      of(
        ({ home }) => [home],
        (home, outcome) => sample('quorate_share_whole', { ...common, outcome }, one(home)),
      ),
    ),
    ...each(
      'quorate_replica_whole',
      '1: this store holds the envelope that the record names.',
      of(
        ({ replicas }) => replicas,
        (replica, outcome) =>
          sample('quorate_replica_whole', { ...common, outcome, store: replica.store }, one(replica)),
      ),
    ),
    ...each(
      'quorate_replica_older',
      'Wrapped pieces of envelopes that were replaced.',
      of(
        ({ replicas }) => replicas,
        (replica, outcome) =>
          sample('quorate_replica_older', { ...common, outcome, store: replica.store }, replica.older),
      ),
    ),
    ...each(
      'quorate_slot_opens',
      '1: this KMS key opens its piece of the share.',
      of(
        ({ slots }) => slots,
        (slot, outcome) =>
          sample('quorate_slot_opens', { ...common, outcome, slot: String(slot.slot), kms: slot.key }, one(slot)),
      ),
    ),
  ].join('\n')}\n`
}

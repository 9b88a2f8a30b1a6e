import type { HomeMade, HomeShown } from '../../site/setup.ts'
import type { Line, Lines } from '../term.ts'

const homeLines = (home: HomeShown): Line[] => [
  { label: 'home', text: home.home },
  { label: home.role, text: home.name },
  { label: 'identity', text: home.identity, tone: 'strong' },
  {
    label: 'passphrase',
    text: home.locked ? 'set' : 'none',
    note: home.locked ? '' : `whoever reads this disk can act as this ${home.role}`,
    noteTone: 'warn',
  },
]

const cardLines = ({ card }: HomeShown): Line[] =>
  card === null
    ? []
    : [
        ...card.stores.map((store) => ({ label: 'store', text: store })),
        { label: 'jurisdiction', text: card.jurisdiction },
        {
          label: 'control',
          text: [card.control.organisation, card.control.account, card.control.administrator].join(' / '),
        },
      ]

export const identityView = (home: HomeShown): Lines => [
  ...homeLines(home),
  ...home.kms.map(({ key, protection }) => ({ label: 'kms', text: key, note: protection ?? '' })),
  ...cardLines(home),
]

export const createdView = (home: HomeMade): Lines => [
  ...homeLines(home),
  ...home.keys.map(({ key, made, asked }) => ({
    label: 'kms',
    text: key,
    note: [
      made ? 'made now' : asked ? 'was there' : 'not asked yet: quorate kms doctor',
      home.kms.find((one) => one.key === key)?.protection,
    ]
      .filter(Boolean)
      .join('; '),
  })),
  ...cardLines(home),
  ...(home.role === 'site'
    ? [{ label: 'next', text: `quorate identity card > ${home.name}.card`, note: 'and hand it to whoever plans' }]
    : []),
]

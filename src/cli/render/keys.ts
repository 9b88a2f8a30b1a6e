import type { Addresses } from '../../formats/addresses.ts'
import { type PublicKeyForms, publicKeyForms, shortKey } from '../../formats/public-key.ts'
import type { Hash } from '../../lib/brand.ts'
import { QuorateError } from '../../lib/errors.ts'
import { span } from '../../lib/span.ts'
import type { KmsSlot } from '../../records/definition-fields.ts'
import { shortId } from '../../records/short-id.ts'
import type { DamagedKey, KeyShown } from '../../site/keys.ts'
import { wholeKeyLines } from '../kinds/whole-key.ts'
import type { Line, Lines } from '../term.ts'
import { kmsText, shortTime, unpadded } from '../text.ts'

/** A key with every form in which its users want it; null while it is only staged. */
type KeyWithForms = KeyShown & { readonly forms: (PublicKeyForms & Addresses) | null }

export const withForms = async (key: KeyShown): Promise<KeyWithForms> => {
  const { protocol, publicKey, name } = key
  if (publicKey === null) return { ...key, forms: null }
  const { addressesOf } = await import('../../formats/addresses.ts')
  return { ...key, forms: { ...publicKeyForms(protocol, publicKey, name), ...addressesOf(protocol, publicKey) } }
}

/** An emergency took it out of use, by this site's own promise. */
const fencedText = (ceremony: Hash): string => `fenced by emergency ceremony ${shortId(ceremony)}`

const state = ({ state: now, epoch, since, suspended, fenced }: KeyShown): string =>
  suspended !== null
    ? `${fenced === null ? 'suspended' : fencedText(fenced)} since ${suspended.since.slice(0, 10)}`
    : fenced !== null
      ? `${fencedText(fenced)}, and resumed`
      : {
          installed: `epoch ${epoch}${since === null ? '' : `, since ${since.slice(0, 10)}`}`,
          staged: 'staged, not usable yet',
          retired: `epoch ${epoch}, replaced`,
        }[now]

/** One line: sites of a key that came back with an older ledger, and were taken back. */
const readmittedLines = ({ readmitted }: Pick<KeyShown, 'readmitted'>): readonly Line[] =>
  readmitted.length === 0
    ? []
    : [
        {
          label: 'READMITTED',
          text: readmitted.map(({ site, at }) => `${site} (${shortTime(at)})`).join(', '),
          note: 'came back from an older copy of its home',
          tone: 'warn',
        },
      ]

interface Keys {
  readonly keys: readonly KeyWithForms[]
  readonly damaged: readonly DamagedKey[]
}

export const keysView = ({ keys, damaged }: Keys): Lines =>
  keys.length + damaged.length === 0
    ? [{ label: 'keys', text: 'none', note: 'quorate keygen plan makes the first one' }]
    : [
        ...keys.flatMap((key): Line[] => [
          {
            label: key.name,
            text: `${key.key.slice(0, 8)}  ${key.protocol.padEnd(19)}${key.threshold} of ${key.sites.length}`,
            note: key.forms === null ? state(key) : `${shortKey(key.forms.hex)}  ${state(key)}`,
          },
          ...wholeKeyLines(key),
          ...readmittedLines(key),
        ]),
        ...damaged.flatMap(({ key, name, damage, hint }): Line[] => [
          { label: name ?? '(damaged)', text: `${key.slice(0, 8)}  cannot be used: ${damage}`, tone: 'bad' },
          { label: '', text: hint },
        ]),
      ]

export const keyView = (key: KeyWithForms): Lines => [
  { label: 'key', text: key.key },
  { label: 'name', text: key.name },
  { label: 'protocol', text: key.protocol },
  { label: 'quorum', text: `${key.threshold} of ${key.sites.length}`, note: key.sites.join(', ') },
  { label: 'share', text: `${key.index} of ${key.sites.length}`, note: state(key) },
  ...(key.record === null ? [] : [{ label: 'record', text: key.record }]),
  ...(key.fenced === null
    ? []
    : [
        {
          label: 'fenced',
          text: `by emergency ceremony ${shortId(key.fenced)}: another key is in its place`,
          note: key.suspended === null ? 'and resumed here' : 'suspended here',
          tone: 'bad' as const,
        },
      ]),
  ...(key.suspended === null
    ? []
    : [{ label: 'suspended', text: key.suspended.reason, note: key.suspended.since, tone: 'bad' as const }]),
  ...wholeKeyLines(key),
  ...key.reconstructed.map(({ reason, ceremony }) => ({
    label: 'reason',
    text: unpadded(reason),
    note: `ceremony ${shortId(ceremony)}`,
  })),
  ...readmittedLines(key),
  ...key.readmitted.map(({ reason, ceremony }) => ({
    label: 'reason',
    text: unpadded(reason),
    note: `ceremony ${shortId(ceremony)}`,
  })),
  ...(key.forms === null ? [] : formLines(key.forms)),
]

/** A key that an emergency took out of use is used again: for one thing alone. */
const resumedLines = (ceremony: Hash, key: string): readonly Line[] => [
  {
    label: 'warning',
    text: `ceremony ${shortId(ceremony)} put another key in its place, and this site promised to leave it alone`,
    tone: 'bad',
  },
  {
    label: '',
    text: 'whoever made that necessary may sign with it too: move what it protects, and sign nothing else',
    tone: 'bad',
  },
  {
    label: 'next',
    text: `then at once: quorate keys suspend --key ${key.slice(0, 8)} --reason "what it protects is moved"`,
  },
]

export const suspendedView = (said: {
  readonly key: string
  readonly name: string
  readonly suspended: boolean
  readonly reason: string
  readonly threshold: number
  readonly fenced: Hash | null
}): Lines => [
  {
    label: said.suspended ? 'suspended' : 'resumed',
    text: `${said.name} (${said.key.slice(0, 8)}): ${said.reason}`,
    note: said.suspended ? 'this site does nothing with it any more' : 'this site takes part again',
    tone: said.suspended ? 'bad' : 'good',
  },
  ...(said.suspended
    ? [{ label: 'next', text: `the same at every other site: any ${said.threshold} that go on can still sign` }]
    : said.fenced === null
      ? []
      : resumedLines(said.fenced, said.key)),
]

/** Shares that are younger than was asked: nothing was planned. */
export const nothingDueView = (found: {
  readonly name: string
  readonly epoch: number
  readonly age: number
  readonly kms: { readonly lies: readonly KmsSlot[]; readonly wanted: readonly KmsSlot[]; readonly moved: boolean }
}): Lines => [
  { label: 'nothing', text: `to do: epoch ${found.epoch} of ${found.name} is ${span(found.age)} old` },
  ...(found.kms.moved
    ? [
        {
          label: 'KMS key',
          text: `this site’s share lies under ${kmsText(found.kms.lies)}, and site.yaml names ${kmsText(found.kms.wanted)}`,
          tone: 'warn' as const,
        },
        { label: '', text: 'seal it anew: quorate rotate rewrap --key … --out FILE' },
      ]
    : [{ label: 'KMS key', text: kmsText(found.kms.lies), note: 'as site.yaml names it' }]),
]

/** A share that lies under the KMS keys of its site's card: nothing was planned. */
export const sameKmsView = (found: { readonly name: string; readonly kms: readonly KmsSlot[] }): Lines => [
  {
    label: 'nothing',
    text: `to do: this site’s share of ${found.name} lies under ${kmsText(found.kms)}`,
    note: 'put another key into site.yaml first, or say --again',
  },
]

const formLines = ({ hex, taproot, solana, openssh, pem }: PublicKeyForms & Addresses): Line[] => [
  { label: taproot === null ? 'public key' : 'output key', text: hex, tone: 'strong' },
  ...(taproot === null
    ? []
    : [
        { label: 'address', text: taproot.address },
        { label: 'descriptor', text: taproot.descriptor },
        {
          label: '',
          text: 'tweaked already: tr(KEY) would tweak it again, to an address that this key cannot spend from',
        },
      ]),
  ...(solana === null ? [] : [{ label: 'solana', text: solana }]),
  ...(openssh === null ? [] : [{ label: 'openssh', text: openssh }]),
  ...(pem === null
    ? []
    : pem
        .trimEnd()
        .split('\n')
        .map((text, n) => ({ label: n === 0 ? 'pem' : '', text }))),
]

export const keyFormats = ['hex', 'pem', 'openssh', 'x-only', 'address', 'descriptor'] as const
type KeyFormat = (typeof keyFormats)[number]

/** One form alone, ending in a newline. Throws E_NOT_FOUND where the curve has no such form. */
export const formOf = ({ forms, protocol }: KeyWithForms, format: KeyFormat): string => {
  if (forms === null)
    throw new QuorateError(
      'E_NOT_FOUND',
      'this key is not usable here yet',
      'finish its keygen first: quorate keygen join',
    )
  const text = {
    hex: forms.hex,
    pem: forms.pem,
    openssh: forms.openssh,
    'x-only': forms.xOnly,
    address: forms.taproot?.address ?? forms.solana,
    descriptor: forms.taproot?.descriptor ?? null,
  }[format]
  if (text !== null) return `${text.trimEnd()}\n`
  throw new QuorateError('E_NOT_FOUND', `${protocol} has no ${format} form`, 'hex there always is')
}

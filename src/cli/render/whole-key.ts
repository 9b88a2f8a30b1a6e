import { publicKeyForms, shortKey } from '../../formats/public-key.ts'
import { QuorateError } from '../../lib/errors.ts'
import type { Secret } from '../../lib/secret.ts'
import { shortId } from '../../records/short-id.ts'
import type { KeyOpened } from '../../site/open-key.ts'
import type { Lines } from '../term.ts'
import { shellWord, unpadded } from '../text.ts'

type Opened = Omit<KeyOpened, 'secret'>

export const SINGLE_CUSTODY =
  'whoever has this key signs alone from now on, without any site: move the funds to a fresh key, then destroy every copy'

/** Throws E_USAGE where the key would have to stand in a JSON document. */
export const refuseKeyInJson = (out: string | undefined, json: boolean): void => {
  if (out === '-' && json)
    throw new QuorateError('E_USAGE', '--json has no place for the key', 'name a file with --out, or leave out --json')
}

/** The sites whose piece is no share of this key, and a bundle that nobody vouched for. */
export const pieceWarnings = ({ pieces, verdict }: Opened): readonly string[] => [
  ...pieces.flatMap(({ site, verdict: found, reason }) =>
    found === 'holds'
      ? []
      : [found === 'false' ? `the piece of ${site} is false: ${reason}` : `no piece of ${site}: ${reason}`],
  ),
  ...(verdict === 'unknown-parties' ? ['the bundle is consistent, by nobody that you said you know: see --trust'] : []),
]

/** The file that a recipient keeps for as short as can be. */
export const privateKeyText = async (
  { name, protocol, publicKey, ceremony, reason, recipient }: Opened,
  secret: Secret,
): Promise<string> => {
  const { privateKeyForms } = await import('../../formats/private-key.ts')
  const { hex, means, wif } = privateKeyForms(protocol, secret.reveal())
  return [
    '# THE WHOLE PRIVATE KEY. Whoever reads this file signs alone. Move the funds to a fresh key, then destroy it.',
    `# opened by ${recipient} from ceremony ${shortId(ceremony)}: ${reason}`,
    `name         ${name}`,
    `protocol     ${protocol}`,
    `public key   ${publicKeyForms(protocol, publicKey, name).hex}`,
    `private key  ${hex}`,
    `             ${means}`,
    ...(wif === null ? [] : [`wif          ${wif}`]),
    '',
  ].join('\n')
}

export const openedView = ({
  name,
  protocol,
  publicKey,
  ceremony,
  recipient,
  reason,
  pieces,
  file,
}: Opened & { readonly file: string }): Lines => [
  { label: 'WHOLE KEY', text: `${name}, opened by ${recipient}`, note: `ceremony ${shortId(ceremony)}`, tone: 'bad' },
  { label: 'key', text: `${protocol}  ${shortKey(publicKeyForms(protocol, publicKey, name).hex)}` },
  { label: 'reason', text: unpadded(reason) },
  ...pieces.map(({ site, verdict, reason: why }) => ({
    label: `share`,
    text: `${site}: ${why}`,
    note: verdict,
    noteTone: verdict === 'holds' ? ('good' as const) : ('bad' as const),
  })),
  { label: 'written', text: file, note: 'only this user can read it', tone: 'strong' },
  { label: 'next', text: `move the funds to a fresh key, then: shred -u ${shellWord(file)}` },
]

import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import {
  inputFlag,
  readFileFlag,
  readTextFile,
  refuseStdinTwice,
  refuseUncreatable,
  writeNewFile,
} from '../../cli/files.ts'
import { toggle } from '../../cli/flags.ts'
import {
  openedView,
  pieceWarnings,
  privateKeyText,
  refuseKeyInJson,
  SINGLE_CUSTODY,
} from '../../cli/render/whole-key.ts'

const MOST_IDENTITY = 65_536

export default class RecoverOpen extends QuorateCommand {
  static override summary = 'open the whole key, as one of its recipients, on a machine without a network'
  static override description =
    'Verifies the bundle of a reconstruct, opens every site’s piece with the identity of one recipient, checks each share, names the site whose piece is false, and writes the key to a new file that nobody else can read. From then on whoever has that file signs alone: move the funds to a fresh key.'
  static override examples = [
    '<%= config.bin %> recover open --bundle treasury.reconstruct.bundle --identity counsel.age --trust trusted-sites.txt --out treasury.key',
  ]
  static override flags = {
    bundle: Flags.string({ summary: 'the bundle; - reads it from stdin', required: true, helpValue: 'FILE' }),
    identity: Flags.string({
      summary: 'the recipient’s secret: an age identity file, or a private key in PEM',
      required: true,
      helpValue: 'FILE',
    }),
    out: Flags.string({
      summary:
        'the new file with the key; must not be there yet; - writes the key to stdout; without it NAME.private-key',
      helpValue: 'FILE',
    }),
    trust: Flags.string({ summary: 'identities or cards that are known, one a line', helpValue: 'FILE' }),
    'trust-stated': toggle({ summary: 'believe the identities that the bundle names', exclusive: ['trust'] }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(RecoverOpen)
    refuseStdinTwice([flags.bundle, flags.identity, flags.trust])
    refuseKeyInJson(flags.out, flags.json)
    if (flags.out !== undefined && flags.out !== '-') await refuseUncreatable(flags.out)
    const { openKeyFile } = await import('../../site/open-key.ts')
    const { secret, ...opened } = await openKeyFile({
      bundle: inputFlag(flags.bundle),
      identity: await readFileFlag(flags.identity, MOST_IDENTITY),
      trust: flags.trust === undefined ? undefined : await readTextFile(flags.trust),
      trustStated: flags['trust-stated'],
    })
    const file = flags.out ?? `${opened.name}.private-key`
    try {
      for (const text of pieceWarnings(opened)) this.warnOf(text)
      const text = await privateKeyText(opened, secret)
      this.warnOf(SINGLE_CUSTODY)
      if (file === '-') return this.showRaw({ ...opened, file: null }, text)
      const bytes = new TextEncoder().encode(text)
      await writeNewFile(file, bytes, 0o600)
      bytes.fill(0)
      return this.show(openedView, { ...opened, file })
    } finally {
      secret.wipe()
    }
  }
}

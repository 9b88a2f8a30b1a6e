import { Flags } from '@oclif/core'
import type { Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, kmsPassphraseFileFlag, toggle } from '../../cli/flags.ts'
import { commonFlags, PlanCommand, readCards, required } from '../../cli/plan-command.ts'
import { sameKmsView } from '../../cli/render/keys.ts'
import { passphraseFile } from '../../cli/secret-input.ts'
import type { Definition } from '../../records/definition.ts'
import type { PlanMade } from '../../site/planning.ts'
import type { Seen } from '../../site/seen.ts'

export default class RotateRewrap extends PlanCommand {
  protected override readonly topic = 'rotate'
  static override summary = 'write the definition that seals this site’s share under another KMS key, or show one'
  static override description =
    'With --out, at the site that moves: its share is sealed under the KMS key that its site.yaml names now (a local one is made where there is none), and opened from there; others cosign that, and then the old envelope is destroyed. The share, the epoch and the public key stay. Where the share lies under that key already, nothing is written, unless --again says that the key has a new version. This site alone approves; the witnesses only join. With --definition: shows everything that is about to happen, with all eight words of the fingerprint.'
  static override examples = [
    '<%= config.bin %> rotate rewrap --key treasury --out rewrap.yaml',
    '<%= config.bin %> rotate rewrap --key treasury --witness us --out rewrap.yaml',
    '<%= config.bin %> rotate rewrap --definition rewrap.yaml',
  ]
  static override flags = {
    ...PlanCommand.flags,
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it' }),
    witness: Flags.string({
      summary: 'a site that cosigns, one fewer than sign together or more; without it all other sites',
      helpValue: 'NAME',
      multiple: true,
      multipleNonGreedy: true,
    }),
    again: toggle({ summary: 'seal it anew under the same KMS key: it has a new version' }),
    'kms-passphrase-file': kmsPassphraseFileFlag,
    home: homeFlag,
  }

  /** A job that runs after every change of site.yaml plans only where the KMS key is another one. */
  override async run(): Promise<Shown> {
    const { flags } = await this.parse(RotateRewrap)
    if (flags.out === undefined || flags.again) return super.run()
    const { kmsKeysOf } = await import('../../site/kms-keys.ts')
    const { name, lies, moved } = await kmsKeysOf(homeFolder(flags.home), required(flags.key, '--key'))
    return moved ? super.run() : this.show(sameKmsView, { name, kms: lies, file: null })
  }

  protected override async seen(definition: Definition): Promise<Seen> {
    const { flags } = await this.parse(RotateRewrap)
    const { seenFrom } = await import('../../site/seen.ts')
    return seenFrom(homeFolder(flags.home), definition, undefined)
  }

  protected override async plan(now: number): Promise<PlanMade> {
    const { flags } = await this.parse(RotateRewrap)
    const { planRewrapping } = await import('../../site/plan-rewrap.ts')
    return planRewrapping(
      {
        ...(await commonFlags(flags)),
        home: homeFolder(flags.home),
        key: required(flags.key, '--key'),
        cards: await readCards(flags.site ?? []),
        witnesses: flags.witness ?? [],
        kmsPassphrase: passphraseFile(flags['kms-passphrase-file']),
      },
      now,
    )
  }
}

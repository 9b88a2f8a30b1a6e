import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, kmsPassphraseFileFlag, toggle } from '../../cli/flags.ts'
import { keyFaultOf, keyMetrics, keyVerifiedView } from '../../cli/render/replicas.ts'
import { passphraseFile } from '../../cli/secret-input.ts'

export default class KeysVerify extends QuorateCommand {
  static override summary = 'hold everything that this site’s share of a key lies in against the record'
  static override description =
    'The files of the home, the replica in each store, and each KMS key, which opens its piece. Needs no other site. Ends with 1 where anything is missing, damaged or out of reach.'
  static override examples = [
    '<%= config.bin %> keys verify --key treasury',
    '<%= config.bin %> keys verify --key treasury --repair',
    '<%= config.bin %> keys verify --key treasury --metrics > /var/lib/node-exporter/quorate.prom',
  ]
  static override flags = {
    key: Flags.string({ summary: 'the key: its name or id, as keys list shows it', required: true }),
    repair: toggle({ summary: 'put back what is missing or damaged, from what is whole' }),
    metrics: toggle({ summary: 'print the result as Prometheus reads it' }),
    home: homeFlag,
    'kms-passphrase-file': kmsPassphraseFileFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KeysVerify)
    const { verifyKey } = await import('../../site/keys-verify.ts')
    const verified = await verifyKey({
      home: homeFolder(flags.home),
      key: flags.key,
      repair: flags.repair,
      passphrase: passphraseFile(flags['kms-passphrase-file']),
      environment: process.env,
    })
    const fault = keyFaultOf(verified)
    if (!flags.metrics) return this.show(keyVerifiedView, verified, { fault })
    return { ...this.showRaw(verified, keyMetrics(verified)), fault }
  }
}

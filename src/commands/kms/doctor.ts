import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag } from '../../cli/files.ts'
import { homeFlag, homeFolder, kmsPassphraseFileFlag } from '../../cli/flags.ts'
import { kmsDoctorView, kmsFaultOf } from '../../cli/render/kms.ts'
import { passphraseFile } from '../../cli/secret-input.ts'

export default class KmsDoctor extends QuorateCommand {
  static override summary = 'ask each KMS key and each store of this home for what a share needs, before one lies there'
  static override description =
    'Seals a throw-away piece, opens it, and tries it for another shard, which must fail. Puts a throw-away object into each store, replaces and removes it. With a definition it also asks the keys of the other sites, which must refuse this one; their stores it leaves alone. Ends with 1 where a check fails.'
  static override examples = [
    '<%= config.bin %> kms doctor',
    '<%= config.bin %> kms doctor --definition treasury.keygen.yaml --json',
  ]
  static override flags = {
    home: homeFlag,
    definition: Flags.string({ summary: 'its other sites’ keys must refuse this site', helpValue: 'FILE' }),
    'kms-passphrase-file': kmsPassphraseFileFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KmsDoctor)
    const { askKmsKeys } = await import('../../site/kms-doctor.ts')
    const { askStores } = await import('../../site/store-doctor.ts')
    const { runtimeWarning } = await import('../../site/machine.ts')
    const old = runtimeWarning()
    if (old !== undefined) this.warnOf(old)
    const home = homeFolder(flags.home)
    const keys = await askKmsKeys({
      home,
      definition: flags.definition === undefined ? undefined : await readFileFlag(flags.definition),
      passphrase: passphraseFile(flags['kms-passphrase-file']),
      environment: process.env,
    })
    const stores = await askStores({ home, environment: process.env })
    return this.show(kmsDoctorView, { keys, stores }, { fault: kmsFaultOf(keys, stores) })
  }
}

import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { readFileFlag } from '../../cli/files.ts'
import { homeFlag, homeFolder } from '../../cli/flags.ts'
import { kmsListView } from '../../cli/render/kms.ts'

export default class KmsList extends QuorateCommand {
  static override summary = 'the KMS keys and stores of this home, and of a definition: provider, region, protection'
  static override description = 'Reads names alone: it asks no provider, and needs no credentials.'
  static override examples = [
    '<%= config.bin %> kms list',
    '<%= config.bin %> kms list --definition treasury.keygen.yaml --json',
  ]
  static override flags = {
    home: homeFlag,
    definition: Flags.string({ summary: 'show those of its other sites too', helpValue: 'FILE' }),
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(KmsList)
    const { listKmsKeys } = await import('../../site/kms-doctor.ts')
    const { listStores } = await import('../../site/store-doctor.ts')
    const wanted = {
      home: homeFolder(flags.home),
      definition: flags.definition === undefined ? undefined : await readFileFlag(flags.definition),
    }
    return this.show(kmsListView, { keys: await listKmsKeys(wanted), stores: await listStores(wanted) })
  }
}

import { Flags } from '@oclif/core'
import { QuorateCommand, type Shown } from '../../cli/base-command.ts'
import { homeFlag, homeFolder, kmsPassphraseFileFlag, passphraseFileFlag, toggle } from '../../cli/flags.ts'
import { createdView } from '../../cli/render/identity.ts'
import { newPassphrase, passphraseFile } from '../../cli/secret-input.ts'

export default class IdentityCreate extends QuorateCommand {
  static override summary = 'make a home: identity, purpose keys, site.yaml'
  static override description =
    'A site also says where its shard will be sealed and who can make that key open something; all of it stands in site.yaml and on its card. An approver or a relay has a name and a key, no card.'
  static override examples = [
    '<%= config.bin %> identity create --name eu --kms local:/srv/kms/eu.key --jurisdiction EU --control acme/eu-prod/alice',
    '<%= config.bin %> identity create --role relay --name relay-1 --home /srv/relay --no-passphrase',
  ]
  static override flags = {
    name: Flags.string({ summary: 'a label: a-z, 0-9 and -', required: true }),
    role: Flags.option({ options: ['site', 'approver', 'relay'] as const, default: 'site' as const })({
      summary: 'what this identity will be',
    }),
    kms: Flags.string({
      summary: 'key that seals the shard, as PROVIDER:KEY; of three any two open it',
      multiple: true,
      multipleNonGreedy: true,
    }),
    store: Flags.string({
      summary: 'where the sealed shard lies: home, or SCHEME:PLACE',
      multiple: true,
      multipleNonGreedy: true,
      default: ['home'],
    }),
    jurisdiction: Flags.string({ summary: 'whose law reaches key and stores' }),
    control: Flags.string({ summary: 'who can make the key open something', helpValue: 'ORGANISATION/ACCOUNT/ADMIN' }),
    'passphrase-file': passphraseFileFlag,
    'no-passphrase': toggle({
      summary: 'leave the identity key open to whoever reads this disk',
      exclusive: ['passphrase-file'],
    }),
    'kms-passphrase-file': kmsPassphraseFileFlag,
    home: homeFlag,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(IdentityCreate)
    const passphrase = await newPassphrase(flags)
    const { createIdentity } = await import('../../site/setup.ts')
    const made = await createIdentity({
      home: homeFolder(flags.home),
      name: flags.name,
      role: flags.role,
      kms: flags.kms ?? [],
      stores: flags.store,
      jurisdiction: flags.jurisdiction,
      control: flags.control,
      passphrase,
      kmsPassphrase: passphraseFile(flags['kms-passphrase-file']),
    })
    return this.show(createdView, made)
  }
}

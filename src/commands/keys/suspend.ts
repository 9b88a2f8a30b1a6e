import { SuspensionCommand } from '../../cli/suspension-command.ts'

export default class KeysSuspend extends SuspensionCommand {
  protected override readonly suspended = true
  static override summary = 'let this site do nothing with a key, at once'
  static override description =
    'From now on this home opens no share of the key: it signs nothing, deals and votes in no rotation, and a join that runs says nothing more with it. A rotation that it has voted in is finished. Needs no passphrase, and no other site. The other sites can still sign while enough of them go on.'
  static override examples = [
    '<%= config.bin %> keys suspend --key treasury --reason "the build server was broken into"',
  ]
}

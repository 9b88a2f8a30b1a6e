import { SuspensionCommand } from '../../cli/suspension-command.ts'

export default class KeysResume extends SuspensionCommand {
  protected override readonly suspended = false
  static override summary = 'use a suspended key again'
  static override description =
    'Takes back the word of keys suspend. Both stand in the ledger of this home, with their reasons.'
  static override examples = ['<%= config.bin %> keys resume --key treasury --reason "new build, checked by two"']
}

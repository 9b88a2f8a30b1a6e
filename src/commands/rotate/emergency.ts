import { EmergencyCommand } from '../../cli/emergency-command.ts'

export default class RotateEmergency extends EmergencyCommand {
  static override summary = 'a key is not safe any more: suspend it here at once, and make a fresh one with the others'
  static override description =
    'Suspends the key at this site before anything else, and leaves it so whichever code it ends with. Then writes the definition of a fresh key, approves it here, and joins; the other sites run rotate approve and rotate join with that file, and each suspends the old key too. The old shares are kept: what the old key protects has to be moved by it. Run again it goes on with the same definition.'
  static override examples = [
    '<%= config.bin %> rotate emergency --key treasury --reason "the build server was broken into" --out emergency.yaml',
    '<%= config.bin %> rotate emergency --key treasury --reason "two administrators in doubt" --out emergency.yaml --to eu.card --to us.card --to sa.card',
  ]
}

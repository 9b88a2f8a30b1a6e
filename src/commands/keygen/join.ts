import { JoinCommand } from '../../cli/join-command.ts'

export default class KeygenJoin extends JoinCommand {
  static override summary = 'make the key with the other sites'
  static override examples = [
    '<%= config.bin %> keygen join --definition treasury.yaml',
    '<%= config.bin %> keygen join --definition treasury.yaml --json --json-events --no-input',
  ]
  protected readonly topic = 'keygen'
}

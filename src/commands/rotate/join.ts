import { JoinCommand } from '../../cli/join-command.ts'

export default class RotateJoin extends JoinCommand {
  protected override readonly topic = 'rotate'
  static override summary = 'make the new shares with the other sites, then destroy the old one'
  static override examples = [
    '<%= config.bin %> rotate join --definition refresh.yaml',
    '<%= config.bin %> rotate join --definition refresh.yaml --json --json-events --no-input',
  ]
}

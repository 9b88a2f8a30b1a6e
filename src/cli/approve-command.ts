import { join } from 'node:path'
import { Flags } from '@oclif/core'
import type { Topic } from '../records/kinds/kind.ts'
import { confirmDefinition } from './approval.ts'
import { QuorateCommand, type Shown } from './base-command.ts'
import { readFileFlag, readTextFile } from './files.ts'
import { definitionFlag, homeFlag, homeFolder, passphraseFileFlag, relayCaFlag } from './flags.ts'
import { relayAccess } from './relay-access.ts'
import { approvedView } from './render/approve.ts'
import { passphraseAsked } from './secret-input.ts'

/** `approve` under every topic: shows what will happen, asks for the eight words that another site reads out, signs. */
export abstract class ApproveCommand extends QuorateCommand {
  protected abstract readonly topic: Topic
  static override description =
    'Shows everything that is about to happen and asks for the eight words of its fingerprint, which another site reads out from its own plan; four letters of each are enough, and after three wrong answers nothing is signed. In CI --confirm with the full ceremony id is the same gate. There is no flag that says yes to whatever is in the file.'
  static override flags = {
    definition: definitionFlag,
    confirm: Flags.string({ summary: 'the full ceremony id, instead of the words', helpValue: 'ID' }),
    trust: Flags.string({ summary: 'refuse where another identity is not in this file', helpValue: 'FILE' }),
    'passphrase-file': passphraseFileFlag,
    'relay-ca': relayCaFlag,
    home: homeFlag,
  }

  /** The bytes that are to be signed, where the definition holds only their hash. */
  protected message(): Promise<Uint8Array | undefined> {
    return Promise.resolve(undefined)
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof ApproveCommand)
    const { definitionFile } = await import('../site/definition-file.ts')
    const { describeDefinition } = await import('../site/planning.ts')
    const { approveDefinition, refuseUnapprovable } = await import('../site/approve.ts')
    const { readIdentity } = await import('../site/setup.ts')
    const { seenFrom } = await import('../site/seen.ts')
    const home = homeFolder(flags.home)
    const definition = await definitionFile(await readFileFlag(flags.definition), this.topic)
    const wanted = {
      home,
      definition,
      message: await this.message(),
      relays: await relayAccess(flags),
      trust: flags.trust === undefined ? undefined : await readTextFile(flags.trust),
    }
    await refuseUnapprovable(wanted)
    const [shown, seen, { identity, name }] = await Promise.all([
      describeDefinition(definition, Date.now()),
      seenFrom(home, definition, wanted.message),
      readIdentity(home),
    ])
    await confirmDefinition(shown, seen, identity, {
      confirm: flags.confirm,
      noInput: flags['no-input'],
      // Where every line of stderr is an event, the document alone says it.
      quiet: flags.quiet || flags['json-events'],
      file: flags.definition,
    })
    const approved = await approveDefinition({ ...wanted, passphrase: passphraseAsked(flags) })
    const file = join(home, approved.file)
    return this.show(approvedView, {
      ...approved,
      file,
      kind: definition.kind,
      topic: this.topic,
      name: definition.name,
      as: name,
    })
  }
}

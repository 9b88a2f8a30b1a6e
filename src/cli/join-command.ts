import type { Progress } from '../ceremony/progress.ts'
import type { Secret } from '../lib/secret.ts'
import type { Definition } from '../records/definition.ts'
import type { Topic } from '../records/kinds/kind.ts'
import type { Joined } from '../site/join.ts'
import { QuorateCommand, type Shown } from './base-command.ts'
import { ceremonyFlags, ceremonyOf } from './ceremony-flags.ts'
import { kmsPassphraseFileFlag, passphraseFileFlag, toggle } from './flags.ts'
import { warningOf } from './progress.ts'
import { proxyWarning, relayAccess } from './relay-access.ts'
import { decisionLines } from './render/definition.ts'
import { joinView } from './render/join.ts'
import { passphraseAsked, passphraseFile } from './secret-input.ts'
import { type Lines, say } from './term.ts'

/** Flags that a run of a ceremony takes besides those that say which. */
const runFlags = {
  'passphrase-file': passphraseFileFlag,
  'kms-passphrase-file': kmsPassphraseFileFlag,
}

interface RunFlags {
  readonly quiet: boolean
  readonly 'json-events': boolean
  readonly 'relay-ca'?: string | undefined
  readonly 'kms-passphrase-file'?: string | undefined
}

/** Any command that runs this site's side of a ceremony, and shows how it goes. */
export abstract class RunCommand extends QuorateCommand {
  static override flags = runFlags

  /** Refuses, while nothing has happened, flags that would make the outcome useless. */
  protected begin(_home: string, _definition: Definition): Promise<void> {
    return Promise.resolve()
  }

  /** A topic's own work with the outcome, besides showing it. */
  protected finish(_joined: Joined): Promise<void> {
    return Promise.resolve()
  }

  /** Says what this site takes part in; also in a quiet run who left or runs other code, which the document has too. */
  #progress(
    flags: { readonly quiet: boolean; readonly 'json-events': boolean },
    decision: Lines,
  ): (event: Progress) => void {
    const report = this.progress(flags)
    return (event) => {
      const warning = warningOf(event)
      if (warning !== undefined && flags.quiet) return this.warnOf(warning)
      if (warning !== undefined) this.warnings.push(warning)
      report(event)
      if (event.phase === 'join') for (const line of decision) say(line)
    }
  }

  /** The lines that say once more what this site's approval is for: who stops now has signed nothing. */
  async #decision(home: string, definition: Definition): Promise<Lines> {
    const { seenAtJoin } = await import('../site/seen.ts')
    return decisionLines(definition, await seenAtJoin(home, definition))
  }

  /** This site's side of a ceremony, to its end. */
  protected async runCeremony(
    { home, definition, check }: { readonly home: string; readonly definition: Definition; readonly check: boolean },
    passphrase: () => Promise<Secret>,
    flags: RunFlags,
  ): Promise<Shown> {
    const signal = this.stop()
    await this.begin(home, definition)
    const decision = flags.quiet || flags['json-events'] ? [] : await this.#decision(home, definition)
    const { join } = await import('../site/join.ts')
    const { runtimeWarning } = await import('../site/machine.ts')
    const old = runtimeWarning()
    if (old !== undefined) this.warnOf(old)
    const proxy = proxyWarning(definition, process.env)
    if (proxy !== undefined) this.warnOf(proxy)
    const joined = await join({
      home,
      definition,
      check,
      relays: await relayAccess(flags),
      progress: this.#progress(flags, decision),
      signal,
      passphrase,
      kmsPassphrase: passphraseFile(flags['kms-passphrase-file']),
      environment: process.env,
    })
    await this.finish(joined)
    for (const point of joined.open) this.warnOf(`open in the bundle: ${point}`)
    return this.show(joinView, joined)
  }
}

/** `join` under every topic: all decisions are in the definition, so it asks nothing but a passphrase. */
export abstract class JoinCommand extends RunCommand {
  protected abstract readonly topic: Topic
  static override description =
    'Everything that people decide is in the definition, so this asks nothing but a passphrase: the room and CI run the same command. It may be run again after any end; what was promised is finished, never repeated.'
  static override flags = {
    ...ceremonyFlags,
    check: toggle({ summary: 'preflight and gather, then leave' }),
    ...runFlags,
  }

  override async run(): Promise<Shown> {
    const { flags } = await this.parse(this.ctor as typeof JoinCommand)
    const found = await ceremonyOf(this.topic, flags)
    return this.runCeremony({ ...found, check: flags.check }, passphraseAsked(flags), flags)
  }
}

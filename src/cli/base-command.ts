import { Command } from '@oclif/core'
import type { QuorateError } from '../lib/errors.ts'
import { globalFlags } from './flags.ts'
import { progressReporter, type Report } from './progress.ts'
import { stopSignal } from './signals.ts'
import { type Columns, type Lines, say } from './term.ts'

/**
 * The end of a command: a result for scripts, the same result as people read it, and, where the answer is no or not
 * yet, the fault that says so and gives the exit code.
 */
export interface Shown {
  readonly result: object
  /** Lines for people; text of our own or bytes where the result itself is one. */
  readonly text: Lines | string | Uint8Array
  readonly columns: Columns | undefined
  readonly fault: QuorateError | undefined
  /** Work that goes on after the result was printed: a relay serves. */
  readonly serve: (() => Promise<void>) | undefined
}

/** A renderer: result to lines. */
type View<T> = (result: T) => Lines

/**
 * Base of all commands. `run` parses flags, calls one use case and returns `show(view, result)`; main.ts prints it,
 * so that text, JSON and exit code have one place, whatever fails and whenever.
 */
type Document = object & { ok?: never; schema?: never; warnings?: never; error?: never }

export abstract class QuorateCommand extends Command {
  static override baseFlags = globalFlags
  /** Warnings so far; they stand in the JSON document too. */
  readonly warnings: string[] = []

  abstract override run(): Promise<Shown>

  /** Fields of the result must not be called ok, schema, warnings or error: the document has its own. */
  protected show<T extends Document>(
    view: View<T>,
    result: T,
    more: {
      readonly fault?: QuorateError | undefined
      readonly columns?: Columns
      readonly serve?: () => Promise<void>
    } = {},
  ): Shown {
    return { result, text: view(result), columns: more.columns, fault: more.fault, serve: more.serve }
  }

  /** The result is a text or a file of its own: help, a key, a script. */
  protected showRaw<T extends Document>(result: T, text: string | Uint8Array): Shown {
    return { result, text, columns: undefined, fault: undefined, serve: undefined }
  }

  protected warnOf(text: string): void {
    this.warnings.push(text)
    say({ label: 'warning', text, tone: 'warn' })
  }

  /** Aborts at the first Ctrl-C or SIGTERM: the use case stops at its next safe point. A second one ends the process. */
  protected stop(): AbortSignal {
    return stopSignal()
  }

  protected progress(flags: { readonly quiet: boolean; readonly 'json-events': boolean }): Report {
    return progressReporter(flags)
  }
}

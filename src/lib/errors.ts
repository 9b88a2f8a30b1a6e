/** One row an error: the exit code it ends with and what it means. docs/errors.md is generated from this table. */
export const errorTable = {
  E_USAGE: { exit: 2, doc: 'a flag is missing, unknown, or does not fit the others; nothing happened' },
  E_DEFINITION: {
    exit: 2,
    doc: 'the definition is not one that quorate can run; the message names the place in the file',
  },
  E_CARD: {
    exit: 2,
    doc: 'a site card does not decode, is not signed by its own identity, or differs from the definition',
  },
  E_TRUST_FILE: { exit: 2, doc: 'the trust file has a line that is neither an identity nor a card' },
  E_HOME: { exit: 2, doc: 'the home is missing, incomplete, or not readable by this user alone' },
  E_HOME_BUSY: { exit: 5, doc: 'another process owns this home and did not take the work' },
  E_EXISTS: { exit: 2, doc: 'a file that would be made is already there; nothing was overwritten' },
  E_NOT_FOUND: { exit: 2, doc: 'a file, key or ceremony that was named is not there' },
  E_FILE: { exit: 2, doc: 'a file cannot be read, is too large, or is not what its name says' },
  E_PASSPHRASE: { exit: 2, doc: 'the passphrase is missing or wrong' },
  E_NO_TERMINAL: {
    exit: 2,
    doc: 'a question has to be asked and there is no terminal; the hint names the flag that answers it',
  },
  E_WORDS: { exit: 1, doc: 'the words or the ceremony id typed are not those of this definition; nothing was signed' },
  E_NOT_ALLOWED: { exit: 1, doc: 'what was asked is not what the definition allows' },
  E_REFUSED: { exit: 1, doc: 'a check said no' },
  E_CONSUMED: { exit: 1, doc: 'this site has already ended this definition; a definition is run once' },
  E_ABORTED: { exit: 1, doc: 'this ceremony was aborted' },
  E_NOT_APPROVED: { exit: 3, doc: 'this site has not approved the definition' },
  E_APPROVALS_MISSING: { exit: 3, doc: 'approvals of others were missing at the gather deadline' },
  E_QUORUM: { exit: 3, doc: 'too few sites came before the gather deadline, or none of those who have finished' },
  E_WINDOW: { exit: 3, doc: 'the window of the definition is not open' },
  E_NOT_FINISHED: { exit: 3, doc: 'this site has done its part; others have not finished theirs' },
  E_ATTEMPTS: { exit: 3, doc: 'every attempt that the definition allows was used' },
  E_PEER_MALFORMED: { exit: 4, doc: 'a site signed a message that does not decode or is over its limit' },
  E_PEER_EQUIVOCATED: { exit: 4, doc: 'a site signed two different messages for one place in the protocol' },
  E_PEER_ECHO: { exit: 4, doc: 'a site reported a message that its sender did not sign' },
  E_PEER_PROOF_INVALID: { exit: 4, doc: 'a site sent a proof that does not hold' },
  E_PEER_SHARE_INVALID: { exit: 4, doc: 'a site sent a share that does not match its commitment' },
  E_PEER_DISAGREES: { exit: 4, doc: 'a site signed an outcome that differs from the one that the transcript gives' },
  E_DEGENERATE: {
    exit: 5,
    doc: 'chance made a value that no key and no signature may have; nobody is at fault, and a retry may help',
  },
  E_SITE_ROLLED_BACK: {
    exit: 4,
    doc: 'a site shows a ledger that is older than, or forked from, one that it showed before',
  },
  E_PEER_SILENT: { exit: 5, doc: 'a site was not heard of before a deadline; silence accuses nobody' },
  E_PEER_RESTARTED: { exit: 5, doc: 'a site began anew, or gave up, in the middle of an attempt' },
  E_RELAY: { exit: 5, doc: 'no relay of the definition answers' },
  E_DISK: { exit: 5, doc: 'a file could not be written and made durable' },
  E_CLOCK: { exit: 5, doc: 'the clock is too far from the others' },
  E_KMS_DENIED: { exit: 5, doc: 'the KMS refused to use the key' },
  E_KMS_UNAVAILABLE: { exit: 5, doc: 'the KMS did not answer, or its key is not there' },
  E_SHARD: { exit: 5, doc: 'a sealed shard does not open, or is not the one that the record names' },
  E_LOG: { exit: 5, doc: 'a log on this disk is damaged before its last barrier, or lost' },
  E_BUNDLE: { exit: 1, doc: 'the bundle is not one that quorate writes; the message names the part' },
  E_STOPPED: { exit: 130, doc: 'stopped by the operator' },
  E_BUG: { exit: 70, doc: 'a fault in quorate itself' },
} as const satisfies Record<`E_${string}`, { exit: number; doc: string }>

export type ErrorCode = keyof typeof errorTable

/**
 * An error as a person sees it: what is wrong, who does what next, the code. Lower case, no full stop, text of peers
 * escaped.
 */
export class QuorateError extends Error {
  override readonly name = 'QuorateError'
  readonly code: ErrorCode
  /** The next step, and the person who takes it. */
  readonly hint: string
  /** The hint with `{name}` where it shows a detail, for a caller who knows that detail better: a whole path. */
  readonly template: string
  /** Hash of the blame record that proves a peer's fault, where there is one, and other facts for scripts. */
  readonly details: Readonly<Record<string, unknown>>

  constructor(
    code: ErrorCode,
    message: string,
    hint: string,
    details: Readonly<Record<string, unknown>> = {},
    cause?: unknown,
  ) {
    super(message, cause === undefined ? undefined : { cause })
    this.code = code
    this.template = hint
    this.hint = hint.replace(/\{(\w+)\}/g, (place, name: string) =>
      Object.hasOwn(details, name) ? String(details[name]) : place,
    )
    this.details = details
  }

  get exit(): number {
    return errorTable[this.code].exit
  }
}

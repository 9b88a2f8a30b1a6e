/**
 * One row an error: the exit code it ends with, what it means, and the command or the page that leads on from it.
 * docs/errors.md is generated from this table.
 */
export const errorTable = {
  E_USAGE: {
    exit: 2,
    doc: 'a flag is missing, unknown, or does not fit the others; nothing happened',
    see: 'docs/commands.md',
  },
  E_DEFINITION: {
    exit: 2,
    doc: 'the definition is not one that quorate can run; the message names the place in the file',
    see: 'docs/PROTOCOL.md#2-definition-and-approval',
  },
  E_CARD: {
    exit: 2,
    doc: 'a site card does not decode, is not signed by its own identity, or differs from the definition',
    see: 'quorate identity card',
  },
  E_TRUST_FILE: {
    exit: 2,
    doc: 'the trust file has a line that is neither an identity nor a card',
    see: 'README.md#verify',
  },
  E_HOME: {
    exit: 2,
    doc: 'the home is missing, incomplete, or not readable by this user alone',
    see: 'quorate identity create',
  },
  E_HOME_BUSY: {
    exit: 5,
    doc: 'another process owns this home and did not take the work',
    see: 'quorate keygen status',
  },
  E_EXISTS: {
    exit: 2,
    doc: 'a file that would be made is already there; nothing was overwritten',
    see: 'docs/commands.md',
  },
  E_NOT_FOUND: { exit: 2, doc: 'a file, key or ceremony that was named is not there', see: 'quorate keys list' },
  E_FILE: {
    exit: 2,
    doc: 'a file cannot be read, is too large, or is not what its name says',
    see: 'README.md#back-up-and-never-restore',
  },
  E_PASSPHRASE: { exit: 2, doc: 'the passphrase is missing or wrong', see: 'SECURITY.md#what-the-operator-must-do' },
  E_NO_TERMINAL: {
    exit: 2,
    doc: 'a question has to be asked and there is no terminal; the hint names the flag that answers it',
    see: 'README.md#in-ci',
  },
  E_WORDS: {
    exit: 1,
    doc: 'the words or the ceremony id typed are not those of this definition; nothing was signed',
    see: 'quorate keygen plan',
  },
  E_NOT_ALLOWED: {
    exit: 1,
    doc: 'what was asked is not what the definition allows',
    see: 'docs/PROTOCOL.md#2-definition-and-approval',
  },
  E_REFUSED: { exit: 1, doc: 'a check said no', see: 'quorate audit show' },
  E_CONSUMED: {
    exit: 1,
    doc: 'this site has already ended this definition, or uses what supersedes it; a definition is run once',
    see: 'quorate keygen plan',
  },
  E_ABORTED: { exit: 1, doc: 'this ceremony was aborted', see: 'quorate keygen plan' },
  E_NOT_APPROVED: { exit: 3, doc: 'this site has not approved the definition', see: 'quorate keygen approve' },
  E_APPROVALS_MISSING: {
    exit: 3,
    doc: 'approvals of others were missing at the gather deadline',
    see: 'quorate keygen status',
  },
  E_QUORUM: {
    exit: 3,
    doc: 'too few sites came before the gather deadline, or none of those who have finished',
    see: 'quorate keygen status',
  },
  E_WINDOW: { exit: 3, doc: 'the window of the definition is not open', see: 'quorate keygen plan' },
  E_NOT_FINISHED: {
    exit: 3,
    doc: 'this site has done its part; others have not finished theirs',
    see: 'quorate keygen join',
  },
  E_ATTEMPTS: { exit: 3, doc: 'every attempt that the definition allows was used', see: 'quorate keygen plan' },
  E_PEER_MALFORMED: {
    exit: 4,
    doc: 'a site signed a message that does not decode or is over its limit',
    see: 'quorate audit show',
  },
  E_PEER_EQUIVOCATED: {
    exit: 4,
    doc: 'a site signed two different messages for one place in the protocol',
    see: 'quorate audit show',
  },
  E_PEER_ECHO: { exit: 4, doc: 'a site reported a message that its sender did not sign', see: 'quorate audit show' },
  E_PEER_PROOF_INVALID: { exit: 4, doc: 'a site sent a proof that does not hold', see: 'quorate audit show' },
  E_PEER_SHARE_INVALID: {
    exit: 4,
    doc: 'a site sent a share that does not match its commitment',
    see: 'quorate audit show',
  },
  E_PEER_DISAGREES: {
    exit: 4,
    doc: 'a site signed an outcome that differs from the one that the transcript gives',
    see: 'quorate audit show',
  },
  E_DEGENERATE: {
    exit: 5,
    doc: 'chance made a value that no key and no signature may have; nobody is at fault, and a retry may help',
    see: 'quorate keygen join',
  },
  E_SITE_ROLLED_BACK: {
    exit: 4,
    doc: 'a site shows a ledger that is older than, or forked from, one that it showed before',
    see: 'README.md#back-up-and-never-restore',
  },
  E_PEER_SILENT: {
    exit: 5,
    doc: 'a site was not heard of before a deadline; silence accuses nobody',
    see: 'quorate keygen status',
  },
  E_PEER_RESTARTED: {
    exit: 5,
    doc: 'a site began anew, or gave up, in the middle of an attempt',
    see: 'quorate keygen join',
  },
  E_RELAY: { exit: 5, doc: 'no relay of the definition answers', see: 'quorate relay serve' },
  E_DISK: { exit: 5, doc: 'a file could not be written and made durable', see: 'quorate keygen join' },
  E_CLOCK: { exit: 5, doc: 'the clock is too far from the others', see: 'SECURITY.md#what-the-operator-must-do' },
  E_KMS_DENIED: { exit: 5, doc: 'the KMS refused to use the key', see: 'quorate keygen join' },
  E_KMS_UNAVAILABLE: { exit: 5, doc: 'the KMS did not answer, or its key is not there', see: 'quorate keygen join' },
  E_STORE: {
    exit: 5,
    doc: 'a store of sealed shards refused, did not answer, or holds a damaged object',
    see: 'docs/stores.md',
  },
  E_SHARD: {
    exit: 5,
    doc: 'a sealed shard does not open, or is not the one that the record names',
    see: 'README.md#back-up-and-never-restore',
  },
  E_LOG: {
    exit: 5,
    doc: 'a log on this disk is damaged before its last barrier, or lost',
    see: 'README.md#back-up-and-never-restore',
  },
  E_BUNDLE: {
    exit: 1,
    doc: 'the bundle is not one that quorate writes; the message names the part',
    see: 'docs/verify-elsewhere.md',
  },
  E_STOPPED: { exit: 130, doc: 'stopped by the operator', see: 'quorate keygen join' },
  E_BUG: { exit: 70, doc: 'a fault in quorate itself', see: 'SECURITY.md#how-to-report' },
} as const satisfies Record<`E_${string}`, { exit: number; doc: string; see: string }>

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

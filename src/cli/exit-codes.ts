/** The exit codes: a promise to scripts. docs/exit-codes.md is generated from this table. */
export const exitCodes = [
  { code: 0, meaning: 'done' },
  { code: 1, meaning: 'the answer is no: a verification failed, a policy refused' },
  { code: 2, meaning: 'usage or configuration: nothing happened' },
  { code: 3, meaning: 'not ready: a quorum, an approval or the others are missing' },
  { code: 4, meaning: 'a peer misbehaved, and it is proven: the blame is in the output' },
  { code: 5, meaning: 'disk, network, KMS, or silence in a run: a retry may help' },
  { code: 70, meaning: 'a fault in quorate itself' },
  { code: 130, meaning: 'stopped by the operator' },
] as const

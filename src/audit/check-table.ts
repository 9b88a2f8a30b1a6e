import { attemptChecks } from './checks/attempts.ts'
import { definitionChecks } from './checks/definition.ts'
import { blameChecks, endingChecks } from './checks/endings.ts'
import { identityChecks } from './checks/identities.ts'
import { ledgerChecks } from './checks/ledgers.ts'
import { logChecks } from './checks/logs.ts'
import { readmitChecks } from './checks/readmit.ts'
import { releaseChecks } from './checks/release.ts'
import { rewrapChecks } from './checks/rewrap.ts'
import { signatureChecks } from './checks/signature.ts'
import { timeChecks } from './checks/times.ts'
import { transcriptChecks } from './checks/transcript.ts'
import { possessionChecks, voteChecks } from './checks/votes.ts'

/** Every check, in the order of the screen; the first of a group gives its line when all of it holds. */
export const allChecks = [
  ...definitionChecks,
  ...identityChecks,
  ...logChecks,
  ...ledgerChecks,
  ...attemptChecks,
  ...transcriptChecks,
  ...possessionChecks,
  ...voteChecks,
  ...signatureChecks,
  ...releaseChecks,
  ...readmitChecks,
  ...rewrapChecks,
  ...blameChecks,
  ...endingChecks,
  ...timeChecks,
] as const

export type CheckId = (typeof allChecks)[number]['id']

import type { Hash } from '../lib/brand.ts'
import { shortId } from '../records/short-id.ts'

/** Where one ceremony's files stand in a home. Folders carry the short id; the definition inside says which it is. */
export const ceremonyFolder = (ceremony: Hash): string => `ceremonies/${shortId(ceremony)}`
/** False for whatever an operator puts beside those folders. */
export const isCeremonyFolder = (name: string): boolean => /^[0-9a-f]{4}-[0-9a-f]{4}$/.test(name)
export const definitionPath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/definition.json`
export const approvalsFolder = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/approvals`
export const logPath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/log`
/** The bytes that a sign ceremony signs, as they were when this site approved. */
export const messagePath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/message`
export const notePath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/note`
/** Hash of a word that this site gave and its home forgot. */
export const forgottenRecordPath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/lost-word`
/** How the last join of this site ended. */
export const lastJoinPath = (ceremony: Hash): string => `${ceremonyFolder(ceremony)}/last-join`
export const bundlePath = (ceremony: Hash, what: string): string => `bundles/${shortId(ceremony)}.${what}.bundle`

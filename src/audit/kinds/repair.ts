import type { AuditKind } from './kind.ts'
import { refresh } from './refresh.ts'

/** A mended site is shown as a new epoch is; its shares are those of the epoch before, the lost one too. */
export const repair = {
  ...refresh,
  notShown: [
    ...refresh.notShown,
    'where the lost share is: it counts with the others until a rotation makes new ones (quorate rotate plan)',
  ],
} as const satisfies AuditKind

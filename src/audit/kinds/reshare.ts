import { recordKind } from '../../records/definition.ts'
import type { AuditKind } from './kind.ts'
import { refresh } from './refresh.ts'

/** A new epoch for other sites is shown as one for the same sites is; a site that receives no share gives no vote. */
export const reshare = {
  ...refresh,
  order: (definition, site) =>
    recordKind(definition).receivers(definition).includes(site)
      ? {}
      : { 'ready-set': ['definition'], retired: ['ready-set'] },
} as const satisfies AuditKind

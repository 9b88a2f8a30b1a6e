import type { Kind } from '../records/definition.ts'

/** Where one site is in one ceremony. Nothing irreversible happens before `ready` (sign: before `running`). */
export type Phase =
  | 'drafted'
  | 'approved'
  | 'gathering'
  | 'running'
  | 'staged'
  | 'ready'
  | 'installed'
  | 'done'
  | 'closed'
  | 'aborted'

/** Which phases may follow which; a log that shows any other step is refused. */
export const lifecycle: Readonly<Record<Kind, Readonly<Partial<Record<Phase, readonly Phase[]>>>>> = {
  keygen: {
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'ready', 'aborted'],
    running: ['gathering', 'staged', 'aborted'],
    staged: ['gathering', 'ready', 'aborted'],
    ready: ['installed'],
    installed: ['closed'],
    aborted: ['closed'],
  },
  sign: {
    drafted: ['approved', 'aborted'],
    approved: ['gathering', 'aborted'],
    gathering: ['running', 'done', 'aborted'],
    running: ['gathering', 'done', 'aborted'],
    done: ['closed'],
    aborted: ['closed'],
  },
}

export const mayFollow = (kind: Kind, from: Phase, to: Phase): boolean => lifecycle[kind][from]?.includes(to) ?? false

import type { Seen } from '../../site/seen.ts'
import type { Line } from '../term.ts'
import { shortTime } from '../text.ts'

/** One line, wherever a key is used that this home gave its share of to recipients of the whole key. */
export const wholeKeyLines = ({ reconstructed }: Pick<Seen, 'reconstructed'>): readonly Line[] => {
  const newest = reconstructed.at(-1)
  if (newest === undefined) return []
  const to = newest.recipients.map(({ name }) => name).join(', ')
  return [
    {
      label: 'WHOLE KEY',
      text: `this site gave its share to ${to} (${shortTime(newest.at)})`,
      note: 'they may sign alone: move to a fresh key',
      tone: 'bad',
      noteTone: 'bad',
    },
  ]
}

import type { Definition } from './definition.ts'

/** Seconds that the clocks of two sites may differ. */
interface ClockBounds {
  /** Over it people are told. */
  readonly warn: number
  /** Over it the site takes no seat. */
  readonly refuse: number
}

const standard: ClockBounds = { warn: 120, refuse: 600 }

/** The bounds of a definition. One that names none has the standard's: those of version 0.1 name none. */
export const clockBounds = ({ clock }: Pick<Definition, 'clock'>): ClockBounds => clock ?? standard

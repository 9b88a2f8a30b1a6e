/** What was made, where the name of a failed check could stand in its place. */
export const whole = <T>(made: T): Exclude<T, string> => {
  if (typeof made === 'string') throw new Error(`nothing was made: ${made}`)
  return made as Exclude<T, string>
}

/** A line of counts in the test run's output. */
export const report = (line: string): void => {
  process.stdout.write(`${line}\n`)
}

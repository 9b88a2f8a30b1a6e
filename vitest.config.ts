import { defineConfig } from 'vitest/config'

/** Measures rounds beside an attack: nothing else is to run meanwhile. */
const alone = ['test/hostile/sockets.test.ts']

export default defineConfig({
  test: {
    disableConsoleIntercept: true,
    // Tests start processes and share two cores: a limit is there to end what hangs, not to measure.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    projects: [
      {
        extends: true,
        test: { name: 'all', include: ['test/**/*.test.ts'], exclude: alone, sequence: { groupOrder: 0 } },
      },
      { extends: true, test: { name: 'alone', include: alone, sequence: { groupOrder: 1 } } },
    ],
  },
})

import { defineConfig } from 'vitest/config'

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    disableConsoleIntercept: true,
    // Tests start processes and share two cores: a limit is there to end what hangs, not to measure.
    testTimeout: 180_000,
    hookTimeout: 180_000,
    maxWorkers: 2,
    // Tests over real processes, kills and lossy networks meet whatever else the machine does. In CI one that fails is run
    // once more, and the reporter marks it `retry x1`: a mark is a fault to look into, not a pass to trust.
    retry: process.env['CI'] === 'true' ? 1 : 0,
  },
})

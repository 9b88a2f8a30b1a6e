import { defineConfig } from 'vitest/config'

/** Real processes, sockets and time, or every case of something: minutes each. */
const long = [
  'test/audit/readmitted.test.ts',
  'test/ceremony/{handed-on,third-kind}.test.ts',
  'test/cli/{demo-killed,handed-over}.test.ts',
  'test/counterparts/{aws-by-hand,aws-kms,pkcs11,stores,transit}.test.ts',
  'test/docs/elsewhere.test.ts',
  'test/e2e/{break-glass,by-hand,clouds,emergency,readmit,replicas,rewrap,rotate}.test.ts',
  'test/faults/{away,crash-emergency,crash-handover,crash-readmit,crash-refresh,crash-release,crash-rewrap,kill,kill-others,lying}.test.ts',
  'test/faults/relays.test.ts',
  'test/hostile/{alone,back-again,emergency,leaver-keeps,lost-counts,other-shares,readmit,readmit-again,repair-age,repair-screens,two-shares}.test.ts',
  'test/hostile/{handover-storm,refresh-left,reshare-left,reshare-rivals}.test.ts',
  'test/hostile/record-liars-*.test.ts',
  'test/hostile/room.test.ts',
  'test/hostile/session-liars-*.test.ts',
  'test/matrix/{clocks,disks,processes}.test.ts',
  'test/model/successors.test.ts',
  'test/mpc/{liars-repair,liars-reshare,toy-scheme}.test.ts',
  'test/records/one-row.test.ts',
  'test/rehearsal/faults.test.ts',
  'test/secrets/ceremony.test.ts',
  'test/secrets/output.test.ts',
  'test/shards/{gs,s3}.test.ts',
  'test/transcripts/transcripts.test.ts',
  'test/transport/throttled-reader.test.ts',
]
/** A sample of these by `npm test`, and more of them by `npm run test:long` (test/support/report.ts). */
const both = [
  'test/audit/{disk-log,endings,forged,kinds,reconstructed,reshared,stripped,verify}.test.ts',
  'test/ceremony/{chain,damaged-files,reconstruct,repair,replicas,reshare,rewrap,traffic}.test.ts',
  'test/e2e/{demo,one-home}.test.ts',
  'test/faults/{abort,crash,network}.test.ts',
  'test/fuzz/*.test.ts',
  'test/host/disk-left.test.ts',
  'test/hostile/{bound-by-share,ceremony-liars,not-needed,own-log,refresh-storm,rushing-dealer}.test.ts',
  'test/hostile/{chosen-seats,flipped-bundle}.test.ts',
  'test/hostile/vote-and-abort.test.ts',
  'test/matrix/matrix.test.ts',
  'test/model/replay.test.ts',
  'test/mpc/{epochs,liars,liars-refresh,noble}.test.ts',
  'test/shards/{file-store,stores}.test.ts',
  'test/sim/seats.test.ts',
]
/** Put something of their own in the place of a module, so no other file may have loaded it before them. */
const apart = [
  'test/ceremony/{key-names,wiped}.test.ts',
  'test/cli/approval.test.ts',
  'test/host/disk-left.test.ts',
  'test/hostile/{chosen-seats,refused-records,rushing-dealer}.test.ts',
  'test/kms/pkcs11-faults.test.ts',
  'test/matrix/matrix.test.ts',
  'test/records/passphrase-box.test.ts',
  'test/secrets/ceremony.test.ts',
  'test/sim/seats.test.ts',
]
/** Copies of the tree with one row more, made by tests: their tests are the tree's own. */
const variants = 'test/.variants/**'
/** Measures rounds beside an attack: nothing else is to run meanwhile. */
const alone = ['test/hostile/{sockets,sockets-shared}.test.ts']

export default defineConfig(({ mode }) => {
  const isLong = mode === 'long'
  // Under a second runtime: the samples of the long suite say nothing of it that the other tests do not.
  const left = mode === 'runtime' ? both : []
  // Tests start processes and share two cores with whatever else runs: a limit is there to end what hangs, not to measure.
  const limit = process.env['QUORATE_NIGHTLY'] === '1' ? 36_000_000 : isLong ? 1_800_000 : 300_000
  // In each project: one that extends this file reads it anew, without the mode.
  const limits = { testTimeout: limit, hookTimeout: limit, setupFiles: 'test/support/fast-keys.ts' }
  const seed = process.env['QUORATE_SEED'] ?? String(Date.now() % 2 ** 32)
  return {
    test: {
      disableConsoleIntercept: true,
      maxWorkers: 2,
      env: { QUORATE_SEED: seed, ...(isLong && { QUORATE_LONG: '1' }) },
      projects: isLong
        ? [
            {
              extends: true,
              // Most of them wait for processes and deadlines.
              test: {
                ...limits,
                name: 'long',
                include: [...long, ...both],
                maxWorkers: 3,
                sequence: { groupOrder: 0 },
              },
            },
            { extends: true, test: { ...limits, name: 'alone', include: alone, sequence: { groupOrder: 1 } } },
          ]
        : [
            {
              extends: true,
              test: {
                ...limits,
                name: 'fast',
                include: ['test/**/*.test.ts'],
                exclude: [...long, ...alone, ...apart, ...left, variants],
                // Loading the same modules for each file took a quarter of the time.
                isolate: false,
              },
            },
            { extends: true, test: { ...limits, name: 'apart', include: apart, exclude: [...long, ...left] } },
          ],
    },
  }
})

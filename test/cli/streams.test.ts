import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { beforeAll, describe, expect, test } from 'vitest'
import { bin, built } from '../support/cli.ts'

beforeAll(built)

const shell = (command: string) => {
  const { status, stdout, stderr } = spawnSync('bash', ['-o', 'pipefail', '-c', command, process.execPath], {
    encoding: 'utf8',
    timeout: 120_000,
  })
  return { status, stdout, stderr }
}

describe.skipIf(!existsSync('/dev/full'))('streams that fail', () => {
  test('a result that could not be written is a failure', () => {
    const { status, stderr } = shell(`"$0" '${bin}' help errors > /dev/full`)
    expect(status).toBe(5)
    expect(stderr).toContain('E_DISK')
  })

  test.each(['--json', ''])('an error keeps its exit code, whatever can be written %s', (json) => {
    expect(shell(`"$0" '${bin}' hlep ${json} > /dev/full`).status).toBe(2)
    expect(shell(`"$0" '${bin}' hlep ${json} 2> /dev/full`).status).toBe(2)
    expect(shell(`"$0" '${bin}' hlep ${json} > /dev/full 2> /dev/full`).status).toBe(2)
  })

  test('a reader that has seen enough is no error', () => {
    const { status, stderr } = shell(`"$0" '${bin}' help errors | head -n 1`)
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
  })

  test('closed streams are no error', () => {
    expect(shell(`"$0" '${bin}' help >&-`).status).toBe(0)
    expect(shell(`"$0" '${bin}' hlep 2>&-`).status).toBe(2)
    expect(shell(`"$0" '${bin}' help exit-codes <&-`).status).toBe(0)
  })
})

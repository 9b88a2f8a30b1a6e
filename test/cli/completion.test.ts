import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { quorate } from '../support/cli.ts'

/** What bash would offer for this line, by running the script's own function. */
const offered = (script: string, ...words: string[]): string[] => {
  const ask = `${script}\nCOMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _quorate; printf '%s\\n' "\${COMPREPLY[@]}"`
  const { stdout, stderr } = spawnSync('bash', ['-c', ask, 'bash', ...words], { encoding: 'utf8' })
  expect(stderr).toBe('')
  return stdout.split('\n').filter((line) => line !== '')
}

test('bash completes topics, verbs and flags', async () => {
  const { stdout: script, code } = await quorate(['completion', 'bash'])
  expect(code).toBe(0)
  expect(offered(script, 'quorate', '')).toEqual(expect.arrayContaining(['completion', 'help']))
  expect(offered(script, 'quorate', 'completion', '')).toEqual(['bash', 'zsh'])
  expect(offered(script, 'quorate', 'completion', 'z')).toEqual(['zsh'])
  expect(offered(script, 'quorate', 'completion', 'zsh', '--js')).toEqual(['--json', '--json-events'])
})

test('zsh gets a script that its own parser takes', async () => {
  const { stdout: script, code } = await quorate(['completion', 'zsh'])
  expect(code).toBe(0)
  expect(script).toMatch(/^#compdef quorate\n/)
  const { error, status, stderr } = spawnSync('zsh', ['-n'], { input: script, encoding: 'utf8' })
  if (error === undefined) expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
})

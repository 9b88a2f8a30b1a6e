import { spawn } from 'node:child_process'
import { readFileSync } from 'node:fs'
import type { Sample } from './measure.ts'

const read = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch {
    return ''
  }
}

/** Most memory that the child of this shell had so far, in MiB; null where the system keeps no such account. */
const peakOfChild = (shell: number): number | null => {
  const child = read(`/proc/${shell}/task/${shell}/children`).trim().split(' ')[0]
  const kib = child ? /VmHWM:\s+(\d+)/.exec(read(`/proc/${child}/status`))?.[1] : undefined
  return kib === undefined ? null : Number(kib) / 1024
}

/** Runs a command to its end. Bash measures it, since only a parent learns the CPU time of a child that has ended. */
export const sampleCommand = (command: string, args: readonly string[], env: NodeJS.ProcessEnv): Promise<Sample> =>
  new Promise((resolve, reject) => {
    const script = 'TIMEFORMAT="%R %U %S"; { time "$@" >/dev/null 2>/dev/null </dev/null; } 2>&1; exit 0'
    const shell = spawn('bash', ['-c', script, 'bash', command, ...args], { env, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    let peak: number | null = null
    const look = setInterval(() => {
      const now = shell.pid === undefined ? null : peakOfChild(shell.pid)
      if (now !== null) peak = Math.max(peak ?? 0, now)
    }, 5)
    shell.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk
    })
    shell.on('error', reject)
    shell.on('close', () => {
      clearInterval(look)
      const [wall = Number.NaN, user = Number.NaN, system = Number.NaN] = text.trim().split(' ').map(Number)
      resolve({ ms: wall * 1000, cpu: (user + system) * 1000, peak })
    })
  })

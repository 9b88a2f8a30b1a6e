// The promise engine as a model (PROTOCOL §8), searched whole by spin. Each model must hold as it stands; with any one of
// its rules taken away spin must find a state that breaks it, else the check could not fail. `--traces` writes what it
// found into traces/, one step a line, for replay.test.ts. Needs spin and a C compiler.
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const here = fileURLToPath(new URL('.', import.meta.url))
const keep = process.argv.includes('--traces')

/** `holds`: worlds in which nothing goes wrong. `breaks`: rules taken away. REACH claims that the good end is never met. */
const models = [
  {
    file: 'ready.pml',
    holds: [[], ['THIEF']],
    breaks: [
      ['ABORT_WINS'],
      ['NO_VOTES_IN_NOTES'],
      ['NO_SET_IN_HELLO'],
      ['VOTE_AFTER_ABORT'],
      ['VOTE_NOT_DURABLE'],
      ['FIRST_VOTE_ONLY'],
      ['ATTEMPT_AFTER_VOTE'],
      ['DROP_AFTER_VOTE'],
      ['DROP_OLDER'],
      ['FOLLOW_ONE'],
      ['ABORT_WINS', 'THIEF'],
      ['REACH'],
    ],
  },
  {
    file: 'successors.pml',
    holds: [[], ['RIVAL']],
    breaks: [
      ['VOTE_FOR_RIVAL', 'RIVAL'],
      ['FORGET_UNDECIDED'],
      ['FIRST_STANDS'],
      ['DROP_VOTED'],
      ['DESTROY_ON_INSTALL'],
      ['FEWER_RECEIPTS'],
      ['REACH'],
    ],
  },
  {
    file: 'handed-on.pml',
    holds: [[]],
    breaks: [
      ['DEAL_TWICE'],
      ['FREE_BY_ONE'],
      ['FEW_DEALERS'],
      ['LEAVE_AFTER_DEAL'],
      ['RETIRE_ON_READY'],
      ['FEWER_RECEIPTS'],
      ['QUORUM_IS_READY'],
      ['VOTE_AFTER_ABORT'],
      ['REACH'],
    ],
  },
]

const run = (command, args, cwd) =>
  new Promise((resolve, reject) => {
    execFile(command, args, { cwd, maxBuffer: 2 ** 26 }, (error, stdout, stderr) => {
      if (error?.code === 'ENOENT') reject(new Error(`${command} is not installed`))
      else resolve({ code: error?.code ?? 0, text: stdout + stderr })
    })
  })

/** The search's count of errors; throws where it did not search everything. */
const search = async (file, macros) => {
  const folder = mkdtempSync(join(tmpdir(), 'quorate-model-'))
  try {
    const given = macros.map((name) => `-D${name}`)
    writeFileSync(join(folder, file), readFileSync(join(here, file)))
    const made = await run('spin', ['-a', ...given, file], folder)
    const built = await run('cc', ['-O2', '-w', '-DSAFETY', '-DBFS', '-o', 'search', 'pan.c'], folder)
    if (made.code !== 0 || built.code !== 0) throw new Error(made.text + built.text)
    const { text } = await run('./search', ['-m100000'], folder)
    const errors = Number(/errors: (\d+)/.exec(text)?.[1] ?? Number.NaN)
    const states = Number(/(\d+) states, stored/.exec(text)?.[1] ?? 0)
    const whole = !/not completed|max search depth|out of memory/i.test(text)
    if (Number.isNaN(errors) || (errors === 0 && !whole)) throw new Error(`${file} ${macros}: not searched\n${text}`)
    if (errors === 0) return { errors, states, trace: [] }
    const shown = await run('spin', ['-t', ...given, file], folder)
    const steps = shown.text.split('\n').filter((line) => /^ {6}[a-z]/.test(line))
    return { errors, states, trace: steps.map((line) => line.trim()) }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

const jobs = models.flatMap(({ file, holds, breaks }) => {
  const known = new Set([...holds, ...breaks].flat())
  const used = [...readFileSync(join(here, file), 'utf8').matchAll(/#ifn?def (\w+)|defined\((\w+)\)/g)]
  const unknown = used.map(([, one, other]) => one ?? other).filter((name) => !known.has(name))
  if (unknown.length > 0) throw new Error(`${file}: never taken away: ${unknown.join(', ')}`)
  return [
    ...holds.map((macros) => ({ file, macros, good: true })),
    ...breaks.map((macros) => ({ file, macros, good: false })),
  ]
})

let wrong = 0
const work = async () => {
  for (let job = jobs.shift(); job !== undefined; job = jobs.shift()) {
    const { file, macros, good } = job
    const name = [file.replace('.pml', ''), ...macros].join(' ')
    const { errors, states, trace } = await search(file, macros)
    const right = good === (errors === 0) && (good || trace.length > 0)
    if (!right) wrong += 1
    const end = good ? `holds in ${states} states` : `broken after ${trace.length} steps`
    console.log(`${right ? 'ok    ' : 'failed'} ${name}: ${errors === 0 ? `holds in ${states} states` : end}`)
    if (good && errors > 0) console.log(trace.map((line) => `         ${line}`).join('\n'))
    if (!keep || good || macros.includes('REACH')) continue
    mkdirSync(join(here, 'traces'), { recursive: true })
    writeFileSync(join(here, 'traces', `${name.replaceAll(' ', '-')}.txt`), `${trace.join('\n')}\n`)
  }
}
await Promise.all(Array.from({ length: Math.min(2, availableParallelism()) }, work))
process.exit(wrong === 0 ? 0 : 1)

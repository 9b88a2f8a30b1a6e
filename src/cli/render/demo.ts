import { basename, join, relative } from 'node:path'
import type { Progress } from '../../ceremony/progress.ts'
import { shortKey } from '../../formats/public-key.ts'
import type { DemoResult, DemoStep } from '../../site/demo.ts'
import { progressLine } from '../progress.ts'
import { asciiEvent, type Lines, say } from '../term.ts'
import { shellWord } from '../text.ts'

const seconds = (ms: number): string => `${(ms / 1000).toFixed(1)} s`
const shown = (path: string): string => relative(process.cwd(), path) || path
/** The same in a line that somebody pastes into a shell. */
const word = (path: string): string => shellWord(shown(path))
/** The lines of a demo's ceremonies: rounds and steps when all are there, not each arrival. */
const whole = (event: Progress): boolean =>
  (event.phase === 'round' || event.phase === 'step') && event.waiting.length === 0

/** Phases that are a ceremony of their own. */
const CEREMONIES: readonly string[] = [
  'keygen',
  'sign',
  'refresh',
  'sign-again',
  'repair',
  'sign-mended',
  'reshare',
  'sign-last',
]

/** The demo's story as it unfolds, on stderr. */
export const demoReporter = (flags: {
  readonly quiet: boolean
  readonly 'json-events': boolean
}): ((step: DemoStep) => void) => {
  if (flags['json-events']) return asciiEvent
  if (flags.quiet) return () => {}
  return (step) => {
    switch (step.step) {
      case 'start':
        say({
          label: 'demo',
          text: `${step.protocol}, ${step.threshold} of ${step.sites.length}; all on this machine, nothing leaves it`,
        })
        say({ label: 'files', text: `${shown(step.folder)}/`, note: 'delete it when you have seen enough' })
        return
      case 'relay':
        return say({ label: 'relay', text: step.url, note: `process ${step.process}` })
      case 'joined':
        say('')
        say({ label: step.kind, text: step.sites.join(', '), note: `processes ${step.processes.join(', ')}` })
        return
      case 'progress': {
        const event = step.event as unknown as Progress
        if (whole(event)) say(progressLine(event))
        return
      }
      case 'done':
        if (CEREMONIES.includes(step.phase)) say({ label: '', text: 'closed', note: seconds(step.ms) })
        return
      case 'refused':
        return say({ label: 'refused', text: 'a signature that was planned on the old shares', note: step.message })
      case 'lost':
        say('')
        return say({ label: 'lost', text: `${step.site}: its share is made again for a new machine` })
      case 'history':
        return say({ label: 'history', text: `${step.epochs} epochs of one key, from its keygen`, note: step.verdict })
      case 'verified':
        say({
          label: 'verify',
          text: `${basename(step.bundle)}: ${step.checks} checks, none fails`,
          note: step.same ? 'the same bytes at every site that took part' : 'sites hold different bytes',
        })
    }
  }
}

export const demoView = (result: DemoResult): Lines => {
  const { key, signatures, bundles, trust, folder, history } = result
  const [keygen, sign] = bundles
  return [
    '',
    { label: 'key', text: `${key.protocol}  ${shortKey(key.publicKey)}`, note: key.id.slice(0, 8) },
    ...signatures.map(({ signature, signers }) => ({
      label: 'signature',
      text: shown(signature),
      note: `by ${signers.join(', ')}`,
    })),
    ...bundles.map((bundle, n) => ({ label: n === 0 ? 'bundles' : '', text: shown(bundle) })),
    { label: 'next', text: `quorate audit verify --bundle ${word(keygen ?? '')} --trust ${word(trust)}` },
    { label: '', text: `quorate audit show --bundle ${word(sign ?? '')}` },
    ...(history === null
      ? []
      : [{ label: '', text: `quorate audit verify --history ${word(folder)} --trust ${word(trust)}` }]),
    { label: '', text: `QUORATE_HOME=${word(join(folder, 'eu'))} quorate keys list` },
    { label: '', text: 'the same by hand, at three terminals: README, "By hand"' },
  ]
}

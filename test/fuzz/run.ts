import { expect } from 'vitest'
import { QuorateError } from '../../src/lib/errors.ts'
import { printable } from '../../src/lib/printable.ts'
import { DecodeError } from '../../src/records/codec.ts'
import { inTurn, many, report, SEED } from '../support/report.ts'
import { bombs, type Dice, dice } from './mutate.ts'

/** Inputs of a target whose turn it is, and of the others. By night it is the turn of all. */
const COUNT = many(2000, 100_000, 1_000_000)
const MEANWHILE = many(1000, 10_000, 0)
const TURNS = many(3, 6, 1)
const isItsTurn = (name: string): boolean =>
  [...name].reduce((sum, char) => sum + (char.codePointAt(0) ?? 0), SEED) % TURNS === 0

/** Of the inputs of any run at least so many are read as good, or they are too far from it to find much. */
export const SOME_ACCEPTED = many(3, 20, 20)

/** One input may take this long where the machine has nothing else to do. */
const MOST_MS = 1000
/** Beyond what the process held before. */
const MOST_BYTES = 768 * 2 ** 20
const MOST_MESSAGE = 400

export interface Target {
  readonly name: string
  /** The next input: good values, changed. */
  make(d: Dice): Uint8Array
  /**
   * Reads the input as the product does. Returns what a writer would have written for the value that was read, or
   * undefined where it was refused without an error. Throws only DecodeError or QuorateError.
   */
  read(bytes: Uint8Array): Uint8Array | undefined | Promise<Uint8Array | undefined>
  /** Longest input that is looked at. */
  readonly limit: number
  /** A part of the inputs of most targets, where one costs more than most. */
  readonly count?: number
  /** Longest that one input may take, in milliseconds. */
  readonly mostMs?: number
}

export interface Ran {
  readonly inputs: number
  readonly accepted: number
}

const shown = (bytes: Uint8Array): string => Buffer.from(bytes.subarray(0, 600)).toString('base64')

/** An error is one that people may see: ours, one short line, nothing in it that a terminal acts on. */
export const assertTellable = (error: unknown): void => {
  if (!(error instanceof DecodeError) && !(error instanceof QuorateError)) throw error
  const text = error instanceof QuorateError ? `${error.message}${error.hint}` : error.message
  if (printable(text) !== text) throw new Error(`an error that is not printable: ${JSON.stringify(text)}`)
  if (error.message.length > MOST_MESSAGE) throw new Error(`an error of ${error.message.length} characters`)
}

/** Runs a target's inputs, and prints how many there were and how many were taken. */
export const fuzz = async (target: Target): Promise<Ran> => {
  const d = dice(SEED)
  const count = Math.round((target.count ?? 1) * (isItsTurn(target.name) ? COUNT : MEANWHILE))
  const before = process.memoryUsage.rss()
  const begun = performance.now()
  let accepted = 0
  let slowest = 0
  let peak = before

  const once = async (bytes: Uint8Array): Promise<void> => {
    try {
      const made = target.read(bytes)
      const written = made instanceof Promise ? await made : made
      if (written === undefined) return
      accepted += 1
      if (!Buffer.from(written).equals(bytes)) throw new Error(`written again as ${shown(written)}`)
    } catch (error) {
      assertTellable(error)
    }
  }
  const timed = async (bytes: Uint8Array): Promise<number> => {
    const from = performance.now()
    await once(bytes)
    return performance.now() - from
  }
  const play = async (bytes: Uint8Array, what: string): Promise<void> => {
    try {
      const most = target.mostMs ?? MOST_MS
      let ms = await timed(bytes)
      if (ms > most) {
        // Another process may have had the machine meanwhile: only this one's own time counts.
        const from = process.cpuUsage()
        await once(bytes)
        const { user, system } = process.cpuUsage(from)
        ms = (user + system) / 1000
      }
      if (ms > most) throw new Error(`took ${Math.round(ms)} ms`)
      slowest = Math.max(slowest, ms)
    } catch (error) {
      throw new Error(`${target.name}, QUORATE_SEED=${SEED}, ${what}: ${(error as Error).message}\n${shown(bytes)}`, {
        cause: error,
      })
    }
  }

  // They take as long as a thousand of the others.
  for (const [n, bomb] of inTurn([...bombs(target.limit).entries()], 8)) await play(bomb, `bomb ${n}`)
  for (let n = 0; n < count; n++) {
    await play(target.make(d), `input ${n}`)
    // The runner has to be heard of now and then.
    if (n % 2000 === 0) {
      peak = Math.max(peak, process.memoryUsage.rss())
      await new Promise((resolve) => setImmediate(resolve))
    }
  }
  const seconds = (performance.now() - begun) / 1000
  report(
    `${target.name.padEnd(28)}${String(count).padStart(8)} inputs ${String(accepted).padStart(8)} accepted  slowest ${slowest.toFixed(1).padStart(6)} ms  +${Math.round((peak - before) / 2 ** 20)} MiB  ${seconds.toFixed(1)} s`,
  )
  expect(peak - before).toBeLessThan(MOST_BYTES)
  return { inputs: count, accepted }
}

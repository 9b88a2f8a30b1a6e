import { type BuildShown, buildsOf } from '../audit/builds.ts'
import { type BundleReader, readBundle, refuse } from '../audit/bundle.ts'
import { groups } from '../audit/check.ts'
import { allChecks } from '../audit/check-table.ts'
import { mergeBundles } from '../audit/merge.ts'
import { type ReadmissionShown, readmissionShown, readReadmission } from '../audit/readmitted.ts'
import { readReconstructed, type WholeKeyGiven, wholeKeyGiven } from '../audit/reconstructed.ts'
import type { Source } from '../audit/tar.ts'
import type { Hash, SiteId } from '../lib/brand.ts'
import { QuorateError } from '../lib/errors.ts'
import { type Hello, helloCodec } from '../records/attempt.ts'
import { DecodeError } from '../records/codec.ts'
import { type Definition, receiversIn } from '../records/definition.ts'
import type { LogEvent } from '../records/event.ts'
import { type Note, noteCodec } from '../records/note.ts'
import { type Blame, blameCodec } from '../records/round.ts'
import { decodeEnvelope } from '../records/signed.ts'
import { type BundleInput, withSource } from './bundle-source.ts'

/** A bundle's contents, as they say of themselves: nothing here is verified. */
export interface BundleShown {
  readonly ceremony: Hash
  readonly kind: Definition['kind']
  readonly name: string
  readonly definition: Definition
  /** Sites that hold a share of the epoch that was made, or used. */
  readonly receivers: readonly SiteId[]
  readonly sites: readonly { readonly site: SiteId; readonly events: number; readonly signed: boolean }[]
  /** Build and runtime as sites state them in their hellos; null: a hello that does not say (v1). */
  readonly builds: readonly BuildShown[]
  /** Sites that left, with the reason that its note gives: its name, or the beginning of its identity. */
  readonly left: readonly { readonly who: string; readonly reason: string }[]
  /** Proofs of blame that logs name: who is accused, and of which check. */
  readonly accused: readonly { readonly site: SiteId; readonly check: string }[]
  /** Ceremonies that gave the whole key away: this one, and those of which logs say that they were before. */
  readonly reconstructed: readonly WholeKeyGiven[]
  /** Sites of the key that were taken back after their ledger had gone back: here, and as its sites say before. */
  readonly readmitted: readonly ReadmissionShown[]
  readonly outputs: readonly string[]
  readonly objects: number
  /** All logs by their own clocks; messages of rounds are only counted unless they are asked for. */
  readonly timeline: readonly {
    readonly at: number
    readonly log: SiteId
    readonly what: LogEvent['what']
    readonly site: SiteId | null
    readonly object: Hash | null
  }[]
  readonly messages: number
}

/** Names that `--require` takes: groups of checks, and single ones. */
export const refuseUnknownPoints = (wanted: readonly string[]): void => {
  const known = new Set<string>([...groups, ...allChecks.map(({ id }) => id)])
  if (wanted.every((name) => known.has(name))) return
  throw new QuorateError(
    'E_USAGE',
    '--require names no check',
    `groups are ${groups.join(', ')}; single checks have ids as log.cosigned`,
  )
}

/** Records that the logs name under one name, decoded; one that is not here or does not decode is left out. */
const bodiesOf = async <T>(
  bundle: BundleReader,
  timeline: BundleShown['timeline'],
  what: LogEvent['what'],
  decode: (bytes: Uint8Array) => T,
): Promise<readonly T[]> => {
  const found: T[] = []
  for (const object of new Set(timeline.flatMap((event) => (event.what === what ? (event.object ?? []) : [])))) {
    const bytes = await bundle.object(object)
    try {
      if (bytes !== undefined) found.push(decode(bytes))
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return found
}

const helloIn = (bytes: Uint8Array): Hello => helloCodec.decode(decodeEnvelope(bytes, helloCodec.limit).payload)
const noteIn = (bytes: Uint8Array): Note => noteCodec.decode(decodeEnvelope(bytes, noteCodec.limit).payload)

/** Each accused and check once, however many sites proved it. */
const accusedIn = (blames: readonly Blame[]): BundleShown['accused'] => [
  ...new Map(blames.map(({ accused: site, check }) => [`${site} ${check}`, { site, check }])).values(),
]

/** By the logs that name a share given away, here or before. */
const reconstructedIn = async (
  { definition, object }: BundleReader,
  timeline: BundleShown['timeline'],
): Promise<BundleShown['reconstructed']> => {
  const sites = (what: LogEvent['what'], of: Hash | undefined): SiteId[] =>
    [
      ...new Set(timeline.flatMap((e) => (e.what === what && (of ?? e.object) === e.object ? (e.site ?? e.log) : []))),
    ].sort()
  const own = sites('release', undefined)
  const found = 'recipients' in definition && own.length >= definition.threshold ? [{ definition, by: own }] : []
  for (const hash of new Set(timeline.flatMap((e) => (e.what === 'reconstructed' ? (e.object ?? []) : [])))) {
    const bytes = await object(hash)
    try {
      if (bytes !== undefined)
        found.push({ definition: readReconstructed(bytes, definition), by: sites('reconstructed', hash) })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return found.map(wholeKeyGiven)
}

/** By the logs that have the word of the site that returned, or that name a readmission before. */
const readmittedIn = async (
  { definition, object }: BundleReader,
  timeline: BundleShown['timeline'],
): Promise<BundleShown['readmitted']> => {
  const naming = (what: LogEvent['what'], of: Hash): SiteId[] =>
    [...new Set(timeline.flatMap((e) => (e.what === what && e.object === of ? e.log : [])))].sort()
  const own = [...new Set(timeline.flatMap((e) => (e.what === 'readmitted' ? (e.site ?? []) : [])))].sort()
  const back = 'returning' in definition && timeline.some(({ what }) => what === 'rebound')
  const found = 'returning' in definition && back ? [{ definition, by: own }] : []
  for (const hash of new Set(timeline.flatMap((e) => (e.what === 'readmission' ? (e.object ?? []) : [])))) {
    const bytes = await object(hash)
    try {
      if (bytes !== undefined)
        found.push({ definition: readReadmission(bytes, definition), by: naming('readmission', hash) })
    } catch (error) {
      if (!(error instanceof DecodeError)) throw error
    }
  }
  return found.map(readmissionShown)
}

const contentsOf = async (bundle: BundleReader, messages: boolean): Promise<BundleShown> => {
  const timeline: BundleShown['timeline'][number][] = []
  const counts = new Map<SiteId, number>()
  let skipped = 0
  for (const name of bundle.manifest.logs) {
    let count = 0
    for await (const batch of bundle.events(name))
      for (const { event } of batch) {
        count += 1
        if (event.what === 'message' && !messages) skipped += 1
        else timeline.push({ at: event.at, log: name, what: event.what, site: event.site, object: event.object })
      }
    counts.set(name, count)
  }
  return {
    ceremony: bundle.manifest.ceremony,
    kind: bundle.definition.kind,
    name: bundle.definition.name,
    definition: bundle.definition,
    receivers: receiversIn(bundle.definition).map(({ name }) => name),
    sites: [...counts].map(([site, events]) => ({ site, events, signed: bundle.signatures.has(site) })),
    builds: buildsOf(await bodiesOf(bundle, timeline, 'hello', helloIn)),
    left: (await bodiesOf(bundle, timeline, 'abort', noteIn)).map(({ identity, abort }) => ({
      who: bundle.definition.sites.find((site) => site.identity === identity)?.name ?? identity.slice(0, 16),
      reason: abort ?? '',
    })),
    accused: accusedIn(await bodiesOf(bundle, timeline, 'evidence', (bytes) => blameCodec.decode(bytes))),
    reconstructed: await reconstructedIn(bundle, timeline),
    readmitted: await readmittedIn(bundle, timeline),
    outputs: bundle.outputs,
    objects: bundle.objects.length,
    timeline: timeline.sort((a, b) => a.at - b.at),
    messages: skipped,
  }
}

/** Throws E_BUNDLE where the file is no bundle, or a log in it is no log. */
export const showBundle = (input: BundleInput, messages: boolean): Promise<BundleShown> =>
  withSource(input, async (source) => contentsOf(await readBundle(source), messages).catch(refuse))

export interface Merged {
  readonly ceremony: Hash
  readonly out: string
  readonly sites: readonly SiteId[]
  readonly signatures: readonly SiteId[]
}

const withSources = async <T>(
  inputs: readonly BundleInput[],
  work: (sources: readonly Source[]) => Promise<T>,
): Promise<T> => {
  const [input, ...rest] = inputs
  if (input === undefined) return work([])
  return withSource(input, (source) => withSources(rest, (others) => work([source, ...others])))
}

/** Several partial bundles of one ceremony as one; `write` gets its bytes in order. */
export const mergeFiles = (
  inputs: readonly BundleInput[],
  out: string,
  write: (bytes: AsyncIterable<Uint8Array>) => Promise<void>,
): Promise<Merged> =>
  withSources(inputs, async (sources) => {
    const [first, ...rest] = await Promise.all(sources.map(readBundle))
    if (first === undefined) throw new QuorateError('E_USAGE', 'nothing to merge', 'give --bundle twice or more')
    const { bundle, endorsements } = await mergeBundles([first, ...rest]).catch(refuse)
    await write(bundle.finish(endorsements))
    return {
      ceremony: bundle.manifest.ceremony,
      out,
      sites: bundle.manifest.logs,
      signatures: [...endorsements.signatures.keys()],
    }
  })

import { parseIdentity, type Role } from '../../identity/identity.ts'
import { materialOf } from '../../kms/providers.ts'
import type { Identity } from '../../lib/brand.ts'
import { accessOf } from '../../records/access.ts'
import { type Definition, receiversIn, recordKind, sharesIn } from '../../records/definition.ts'
import { attemptsThatSuffice } from '../../records/seats.ts'
import { readsAsId } from '../../records/short-id.ts'
import { isLoopback } from '../../transport/loopback.ts'
import { ceremonyKind } from '../kinds/index.ts'
import { searchedWhole, sharedControl } from './control-domains.ts'
import { error, type Finding, warning } from './finding.ts'

/** Places of values that stood before, with the place where they did. */
const repeats = (values: readonly (readonly [place: string, value: string])[]) => {
  const first = new Map<string, string>()
  return values.flatMap(([place, value]) => {
    const before = first.get(value)
    if (before === undefined) first.set(value, place)
    return before === undefined ? [] : [{ place, before }]
  })
}

const quorum = (definition: Definition): readonly Finding[] => {
  const { threshold } = definition
  const n = sharesIn(definition)
  if (threshold > n) return [error('threshold', 'threshold', `${threshold} of ${n} sites can never sign`)]
  return [
    ...(threshold === n
      ? [warning('no-spare', 'threshold', `all ${n} sites must sign: one lost site is a lost key`)]
      : []),
    ...(n < 2 * threshold - 1
      ? [warning('majority', 'threshold', `${threshold - 1} lying sites of ${n} could stop everything`)]
      : []),
  ]
}

const names = (definition: Definition): readonly Finding[] => {
  const { sites, approvers, relays } = definition
  // A roster that stands already keeps its names: a key that was made under them stays of use.
  const newRoster = recordKind(definition).buildsOn === 'nothing'
  const labels: readonly (readonly [place: string, text: string])[] = [
    ['name', definition.name],
    ...(newRoster ? sites.map(({ name }, n) => [`sites[${n}].name`, name] as const) : []),
  ]
  const identities: readonly (readonly [string, Identity, Role])[] = [
    ...sites.map((site, n) => [`sites[${n}].identity`, site.identity, 'site'] as const),
    ...approvers.map((identity, n) => [`approvers[${n}]`, identity, 'approver'] as const),
    ...relays.flatMap(({ identity }, n) =>
      identity === null ? [] : [[`relays[${n}].identity`, identity, 'relay'] as const],
    ),
  ]
  return [
    ...repeats(sites.map((site, n) => [`sites[${n}].name`, site.name])).map(({ place, before }) =>
      error('duplicate-name', place, `the name of ${before} again`),
    ),
    ...labels.flatMap(([place, text]) =>
      readsAsId(text) ? [error('name-as-id', place, 'could be taken for an id: name it by words')] : [],
    ),
    ...sites.flatMap(({ name }, n) =>
      /^approver-\d+$/.test(name) && approvers.length > 0
        ? [error('reserved-name', `sites[${n}].name`, 'approvers go by such names in the room')]
        : [],
    ),
    ...repeats(identities.map(([place, identity]) => [place, parseIdentity(identity)?.key ?? identity])).map(
      ({ place, before }) => error('duplicate-identity', place, `the key of ${before} again: one machine, one seat`),
    ),
    ...identities.flatMap(([place, identity, role]) => {
      const parsed = parseIdentity(identity)
      if (parsed === undefined) return [error('identity', place, 'not an identity: mistyped, or not a sound key')]
      return parsed.role === role
        ? []
        : [error('identity-role', place, `the identity is that of ${parsed.role}, not ${role}`)]
    }),
  ]
}

/** Of a place in a definition: `sites[0]` of `sites[0].kms[1]`. */
const siteAt = (place: string): string => place.split('.')[0] as string

const sealing = ({ sites, sealing: rule }: Definition): readonly Finding[] => {
  const keys = sites.flatMap((site, n) =>
    site.kms.map((slot, at) => [`sites[${n}].kms[${at}]`, materialOf(slot)] as const),
  )
  return [
    ...sites.flatMap(({ kms }, n) => {
      const access = accessOf(kms)
      if (access === 'one-key' || (access !== undefined && access === rule)) return []
      return [
        rule === 'one-key'
          ? error('one-key', `sites[${n}].kms`, 'one-key sealing takes one KMS key a site')
          : error('two-of-three', `sites[${n}].kms`, 'two-of-three sealing takes three KMS keys, or one'),
      ]
    }),
    ...(rule === 'one-key' || sites.some(({ kms }) => accessOf(kms) === rule)
      ? []
      : [error('sealing', 'sealing', 'no site names three KMS keys: say one-key')]),
    ...repeats(keys).map(({ place, before }) =>
      keys.find(([at]) => at === place)?.[1].startsWith('local:') && siteAt(place) !== siteAt(before)
        ? warning('same-path', place, `the path of ${before} again: sound only where these are two machines`)
        : error(
            'duplicate-kms',
            place,
            siteAt(place) === siteAt(before)
              ? `the KMS key of ${before} again: one key would do for two`
              : `the KMS key of ${before} again: one key would open two shards`,
          ),
    ),
  ]
}

/** `eu, us and ap` */
const inWords = (names: readonly string[]): string =>
  [names.slice(0, -1).join(', '), ...names.slice(-1)].filter((part) => part !== '').join(' and ')

const independence = (definition: Definition): readonly Finding[] => {
  const { threshold } = definition
  const sites = receiversIn(definition)
  const places = new Map<string, number[]>()
  for (const [n, { jurisdiction }] of sites.entries())
    places.set(jurisdiction, [...(places.get(jurisdiction) ?? []), n])
  return [
    ...sharedControl(sites, threshold).map(({ kind, name, size, opens }) => {
      const site = sites.findIndex((one) => one.name === opens[1])
      const place = `sites[${site}].${kind === 'key-account' ? 'kms' : `control.${kind}`}`
      const told =
        kind === 'key-account'
          ? `whoever administers ${name} opens ${inWords(opens)}`
          : `the ${kind} of ${opens.join(', ')} is one`
      // A key that stands keeps its roster: it is told, and rotated away from, and signs meanwhile.
      const refuses = kind !== 'key-account' || recordKind(definition).buildsOn === 'nothing'
      return size < threshold && refuses
        ? error(
            kind === 'key-account' ? 'key-account' : 'independence',
            place,
            `${told}: ${threshold - 1} or fewer in control could open ${threshold} shards`,
          )
        : warning(
            kind === 'key-account' ? 'key-account' : 'independence',
            place,
            `${told}: ${opens.length} shards for ${size} in control`,
          )
    }),
    ...(searchedWhole(sites, threshold)
      ? []
      : [warning('key-account', 'sites', 'their keys lie in too many shared accounts to try every set of those')]),
    ...[...places.values()]
      .filter((at) => at.length >= threshold)
      .map((at) =>
        warning(
          'one-jurisdiction',
          `sites[${at[threshold - 1]}].jurisdiction`,
          `${at.map((n) => sites[n]?.name).join(', ')} share it: one court reaches a quorum`,
        ),
      ),
  ]
}

const relays = (definition: Definition): readonly Finding[] => [
  ...definition.relays.flatMap(({ url }, n) => {
    if (!URL.canParse(url)) return [error('relay-url', `relays[${n}].url`, 'not a URL')]
    const { protocol, hostname } = new URL(url)
    if (protocol === 'wss:' || isLoopback(hostname)) return []
    return [error('plain-relay', `relays[${n}].url`, 'plain ws: is for loopback only; write wss:')]
  }),
  ...definition.relays.flatMap(({ url, identity }, n) =>
    identity === null && /^wss:/i.test(url) && URL.canParse(url) && !isLoopback(new URL(url).hostname)
      ? [
          warning(
            'unpinned-relay',
            `relays[${n}]`,
            'names no identity: whoever answers there can pass for a site at your other relays',
          ),
        ]
      : [],
  ),
  ...repeats(
    definition.relays.map(({ url }, n) => [`relays[${n}].url`, URL.canParse(url) ? new URL(url).href : url]),
  ).map(({ place, before }) => error('duplicate-relay', place, `the relay of ${before} again`)),
]

const YEAR = 366 * 86_400_000

const time = (definition: Definition, now: number | undefined): readonly Finding[] => {
  const { window, attempts, threshold, deadlines, clock } = definition
  const candidates = recordKind(definition).seats(definition).candidates.length
  const enough = attemptsThatSuffice(candidates, threshold)
  const [opens, closes] = [Date.parse(window.opens), Date.parse(window.closes)]
  if (opens >= closes) return [error('window', 'window.closes', 'the window closes before it opens')]
  return [
    ...(closes - opens > YEAR
      ? [warning('long-window', 'window', 'open for more than a year: an approval stays usable as long')]
      : []),
    ...(now !== undefined && now >= closes ? [warning('closed', 'window.closes', 'the window has closed')] : []),
    ...(attempts < enough
      ? [
          warning(
            'attempts',
            'attempts',
            `${candidates - threshold} silent sites could use up ${attempts} attempts; ${enough} are always enough`,
          ),
        ]
      : []),
    ...(clock !== undefined && clock.warn > clock.refuse
      ? [error('clock', 'clock.warn', 'a clock would be refused before anybody is warned')]
      : []),
    ...(deadlines.proposal > deadlines.gather
      ? [error('deadlines', 'deadlines.proposal', 'a proposal waits longer than the gathering that it is part of')]
      : []),
  ]
}

/** Everything that can be said of a definition alone; `now` in milliseconds since 1970. Errors first. */
export const lint = (definition: Definition, now?: number): readonly Finding[] => {
  const all = [
    ...quorum(definition),
    ...names(definition),
    ...sealing(definition),
    ...independence(definition),
    ...relays(definition),
    ...time(definition, now),
    ...ceremonyKind(definition).lint(definition),
  ]
  return [...all.filter((one) => one.level === 'error'), ...all.filter((one) => one.level === 'warning')]
}

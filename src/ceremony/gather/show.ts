import type { SiteId } from '../../lib/brand.ts'
import { clockBounds } from '../../records/clock-bounds.ts'
import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Tells who came, who approved, whose ledger holds, who runs other code, and whose clock is ahead, each once. */
export const showGathering = (ceremony: Ceremony, peers: Peers): void => {
  const { store, authority, options } = ceremony
  const own = ceremony.site.machine.build
  const differing = new Set<SiteId>()
  const ahead = new Set<SiteId>()
  const warn = clockBounds(authority.definition).warn * 1000
  const shown = new Map<SiteId, readonly unknown[]>()
  /** Every message wakes this, and nearly none changes what it says. */
  const isNews = (name: SiteId, facts: readonly unknown[]): boolean => {
    const before = shown.get(name)
    shown.set(name, facts)
    return before === undefined || facts.some((fact, at) => fact !== before[at])
  }
  const show = (): undefined => {
    const approvals = store.approved()
    const missing = authority.missing(approvals)
    for (const [name, peer] of peers.bySite) {
      if (!peer.connected) continue
      const approved = approvals.has(peer.member.identity)
      const hello = store.hellos.get(name)?.signed
      // Arrivals within the same instant are one line, not three.
      if (hello === undefined || (peer.head === undefined && peer.rolledBack === undefined)) continue
      const needed = missing.includes(peer.member.identity)
      if (!isNews(name, [approved, hello, peer.head, peer.rolledBack, peer.ahead, needed])) continue
      const parts = [
        'connected',
        ...(approved ? ['approved'] : []),
        ...(peer.head === undefined ? [] : [peer.remembered === undefined ? 'first contact' : 'ledger extends']),
      ]
      if (peer.rolledBack !== undefined) parts.push('ledger rolled back')
      const { build, runtime } = hello.value
      if (build !== own && !differing.has(name)) {
        differing.add(name)
        options.progress({ phase: 'another-build', site: name, build, own, runtime })
      }
      if (peer.ahead !== undefined && peer.ahead > warn && !ahead.has(name)) {
        ahead.add(name)
        options.progress({ phase: 'clock', site: name, ahead: peer.ahead })
      }
      options.progress({
        phase: 'gather',
        site: name,
        state: parts.join(', '),
        waiting: needed ? `${name}’s approval` : build === own ? 'same build' : 'another build',
      })
    }
    return undefined
  }
  peers.whenChanged(show)
}

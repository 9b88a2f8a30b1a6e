import type { Peers } from '../peers/peers.ts'
import type { Ceremony } from '../store/ceremony.ts'

/** Tells who came, who approved, whose ledger holds, each once. */
export const showGathering = (ceremony: Ceremony, peers: Peers): void => {
  const { store, authority, options } = ceremony
  const show = (): undefined => {
    for (const [name, peer] of peers.bySite) {
      if (!peer.connected) continue
      const approved = store.approved().has(peer.member.identity)
      const hello = peers.hello(name)
      // Arrivals within the same instant are one line, not three.
      if (hello === undefined || (peer.head === undefined && peer.rolledBack === undefined)) continue
      const parts = [
        'connected',
        ...(approved ? ['approved'] : []),
        ...(peer.head === undefined ? [] : [peer.remembered === undefined ? 'first contact' : 'ledger extends']),
      ]
      if (peer.rolledBack !== undefined) parts.push('ledger rolled back')
      const build =
        hello === undefined ? null : hello.value.build === ceremony.site.machine.build ? 'same build' : 'another build'
      const needed = authority.missing(store.approved()).includes(peer.member.identity)
      options.progress({
        phase: 'gather',
        site: name,
        state: parts.join(', '),
        waiting: needed ? `${name}’s approval` : build,
      })
    }
    return undefined
  }
  peers.whenChanged(show)
}

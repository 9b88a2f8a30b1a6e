import { stillClock } from '../../src/rehearsal/still-clock.ts'
import { whenReachable } from '../../src/site/home-session.ts'
import { memoryNetwork } from '../support/memory-wire.ts'
import { seededRandom } from '../support/random.ts'
import { enterAs, person, relayOn } from '../transport/relay-support.ts'
import { wireComplies } from './wire.ts'

wireComplies('a network in memory', async () => {
  const network = memoryNetwork({ clock: stillClock(), random: seededRandom('wire') })
  return { join: async (self) => network.join(self) }
})

wireComplies('a room of a relay', async () => {
  const relay = await relayOn()
  const people = await Promise.all(['a', 'b', 'c'].map((name) => person(name)))
  return {
    join: async (self) => {
      const room = enterAs(people.find(({ member }) => member.name === self) ?? expectPerson(), people, [relay])
      await whenReachable(room)
      return room
    },
    close: () => relay.close(),
  }
})

const expectPerson = (): never => {
  throw new Error('no such person')
}

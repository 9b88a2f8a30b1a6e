/** One part of what is held: all of a network, of an identity there, of a room of that identity. */
interface Branch<Holder> {
  held: number
  readonly branches: Map<string, Branch<Holder>>
  readonly stakes: Set<Stake<Holder>>
}

const branch = <Holder>(): Branch<Holder> => ({ held: 0, branches: new Map(), stakes: new Set() })

/** The first of those that hold most. */
const most = <T extends { readonly held: number }>(all: Iterable<T>): T | undefined => {
  let found: T | undefined
  for (const one of all) if (found === undefined || one.held > found.held) found = one
  return found
}

/** The part of one holder of something that can run short. */
export class Stake<Holder> {
  readonly holder: Holder
  readonly #root: Branch<Holder>
  #path: readonly (readonly [name: string, part: Branch<Holder>])[] = []
  #held = 0
  #ended = false

  constructor(root: Branch<Holder>, holder: Holder, path: readonly string[]) {
    this.#root = root
    this.holder = holder
    this.#enter(path)
  }

  get held(): number {
    return this.#held
  }

  /** Nothing once it has ended: what is given back late was given back then. */
  add(amount: number): void {
    if (this.#ended) return
    this.#held += amount
    this.#root.held += amount
    for (const [, part] of this.#path) part.held += amount
  }

  /** The same in another's name. */
  move(path: readonly string[]): void {
    if (this.#ended) return
    const held = this.#held
    this.#leave()
    this.#enter(path)
    this.add(held)
  }

  end(): void {
    if (this.#ended) return
    this.#leave()
    this.#ended = true
  }

  #enter(path: readonly string[]): void {
    let at = this.#root
    this.#path = path.map((name) => {
      const next = at.branches.get(name) ?? branch<Holder>()
      at.branches.set(name, next)
      at = next
      return [name, next]
    })
    at.stakes.add(this)
  }

  #leave(): void {
    this.add(-this.#held)
    this.#path.at(-1)?.[1].stakes.delete(this)
    for (let depth = this.#path.length - 1; depth >= 0; depth -= 1) {
      const [name, part] = this.#path[depth] as readonly [string, Branch<Holder>]
      const above = this.#path[depth - 1]?.[1] ?? this.#root
      if (part.branches.size === 0 && part.stakes.size === 0) above.branches.delete(name)
    }
  }
}

/**
 * An account of something that can run short, and of who holds how much of it. All stakes of one `Shares` have paths of one length, from what is
 * dear to have many of (a network) to what is free (an identity, a room).
 */
export class Shares<Holder> {
  readonly #root = branch<Holder>()

  get held(): number {
    return this.#root.held
  }

  stake(holder: Holder, path: readonly string[]): Stake<Holder> {
    return new Stake(this.#root, holder, path)
  }

  heldBy(network: string): number {
    return this.#root.branches.get(network)?.held ?? 0
  }

  /**
   * The one to give way: in the network that holds most, the identity that holds most, its largest room, the largest in
   * it; the oldest of equals. Of n networks the largest holds at least an n-th of all, so nobody gives way who is below his
   * share.
   */
  largest(): Holder | undefined {
    let at = this.#root
    for (let next = most(at.branches.values()); next !== undefined; next = most(at.branches.values())) at = next
    return most(at.stakes)?.holder
  }

  /** Has the largest give way, one after another, until no more than `limit` is held. `giveWay` ends its stake. */
  reclaim(limit: number, giveWay: (holder: Holder) => void): void {
    for (let held = Number.POSITIVE_INFINITY; this.held > limit && this.held < held; ) {
      held = this.held
      const holder = this.largest()
      if (holder !== undefined) giveWay(holder)
    }
  }
}

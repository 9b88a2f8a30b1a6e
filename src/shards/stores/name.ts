import { OBJECT_LIMIT } from './port.ts'

const PART = /^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$/

/** The parts of an object's name: no store takes one of them for a way to somewhere else. */
export const partsOf = (name: string): readonly string[] => {
  const parts = name.split('/')
  if (parts.length > 8 || !parts.every((part) => PART.test(part))) throw new RangeError('not the name of an object')
  return parts
}

/** An object's key in a bucket, below the prefix that the store's own name states. */
export const keyOf = (prefix: string, name: string): string =>
  [...(prefix === '' ? [] : [prefix]), ...partsOf(name)].join('/')

/** The beginning of the keys of all objects below a prefix. */
export const keysBelow = (prefix: string, below: string): string =>
  below === '' ? (prefix === '' ? '' : `${prefix}/`) : `${keyOf(prefix, below)}/`

/** The names of keys as a store lists them. Others put objects there too, under names that none of ours has. */
export const namesOf = (prefix: string, keys: readonly string[]): readonly string[] => {
  const own = prefix === '' ? '' : `${prefix}/`
  const isName = (name: string): boolean => {
    try {
      return partsOf(name).length > 0
    } catch {
      return false
    }
  }
  return keys
    .filter((key) => key.startsWith(own))
    .map((key) => key.slice(own.length))
    .filter(isName)
    .sort()
}

export const refuseLarge = (bytes: Uint8Array): void => {
  if (bytes.length > OBJECT_LIMIT) throw new RangeError(`an object of over ${OBJECT_LIMIT} bytes`)
}

import { OBJECT_LIMIT } from './port.ts'

const PART = /^[a-z0-9](?:[a-z0-9.-]{0,62}[a-z0-9])?$/

/** No store takes a part of such a name for a way to somewhere else. */
export const isName = (name: string): boolean => {
  const parts = name.split('/')
  return parts.length <= 8 && parts.every((part) => PART.test(part))
}

/** The parts of an object's name. Throws RangeError for another text. */
export const partsOf = (name: string): readonly string[] => {
  if (!isName(name)) throw new RangeError('not the name of an object')
  return name.split('/')
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
  return keys
    .filter((key) => key.startsWith(own))
    .map((key) => key.slice(own.length))
    .filter(isName)
    .sort()
}

export const refuseLarge = (bytes: Uint8Array): void => {
  if (bytes.length > OBJECT_LIMIT) throw new RangeError(`an object of over ${OBJECT_LIMIT} bytes`)
}

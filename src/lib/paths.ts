const SEGMENT = /^[A-Za-z0-9._-]{1,128}$/

/** Segments of a path inside a home, with `/` between; throws RangeError on one that could lead out of it. */
export const homePath = (path: string): readonly string[] => {
  const segments = path.split('/')
  if (segments.length > 16 || !segments.every((s) => SEGMENT.test(s) && s !== '.' && s !== '..'))
    throw new RangeError('not a path inside a home')
  return segments
}

/** True where a home could hold a file of this path. */
export const isHomePath = (path: string): boolean => {
  try {
    return homePath(path).length > 0
  } catch {
    return false
  }
}

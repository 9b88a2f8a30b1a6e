/** Of whom something is missing, without this site: a bundle's open points are written `SITE: what is missing`. */
export const lateIn = (open: readonly string[], self: string): readonly string[] =>
  [...new Set(open.map((point) => point.split(':', 1)[0] ?? ''))].filter((name) => name !== self)

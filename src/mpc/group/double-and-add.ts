/** n·p by doublings and additions, for a positive n; undefined where that takes more than `most` of them. */
export const timesBySmall = <P>(n: number, p: P, add: (p: P, q: P) => P, most: number): P | undefined => {
  const bits = n.toString(2)
  if (bits.length + bits.replaceAll('0', '').length - 2 > most) return undefined
  let sum = p
  for (const bit of bits.slice(1)) {
    sum = add(sum, sum)
    if (bit === '1') sum = add(sum, p)
  }
  return sum
}

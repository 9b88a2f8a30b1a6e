import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import ts from 'typescript'
import { expect, test } from 'vitest'

const src = fileURLToPath(new URL('../../src', import.meta.url))

/** Names that hold secret bytes or scalars, or would. */
const SECRET =
  /(?:^|[a-z])(?:secrets?|shares?|seeds?|passphrases?|passwords?|dataKey|pieces?|coefficients?|hedgeKey|hedge|psk|nonces)$/i

/** Public all the same: what these compare is a share that has no value yet, or a name. */
const harmless = (node: ts.Node): boolean =>
  ts.isStringLiteralLike(node) ||
  ts.isNumericLiteral(node) ||
  node.kind === ts.SyntaxKind.NullKeyword ||
  node.kind === ts.SyntaxKind.TrueKeyword ||
  node.kind === ts.SyntaxKind.FalseKeyword ||
  node.getText() === 'undefined'

/** The last name in `a.b.reveal()`, `a.b`, `b` or `b[i]`. */
const nameOf = (node: ts.Expression): string => {
  if (ts.isParenthesizedExpression(node) || ts.isNonNullExpression(node) || ts.isAsExpression(node))
    return nameOf(node.expression)
  if (ts.isCallExpression(node)) {
    const [first] = node.arguments
    const own = nameOf(node.expression)
    return own === 'reveal' && ts.isPropertyAccessExpression(node.expression)
      ? nameOf(node.expression.expression)
      : /^(?:toHex|toBase64|toString|slice|subarray|encode|from)$/.test(own) && first !== undefined
        ? nameOf(first)
        : own
  }
  if (ts.isPropertyAccessExpression(node)) return node.name.text
  if (ts.isElementAccessExpression(node)) return nameOf(node.expression)
  return ts.isIdentifier(node) ? node.text : ''
}

const COMPARING = new Set([
  ts.SyntaxKind.EqualsEqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsEqualsToken,
  ts.SyntaxKind.EqualsEqualsToken,
  ts.SyntaxKind.ExclamationEqualsToken,
  ts.SyntaxKind.LessThanToken,
  ts.SyntaxKind.GreaterThanToken,
])
const CALLS = /^(?:compare|equals|includes|indexOf|localeCompare|startsWith|endsWith|has|deepEqual|isDeepStrictEqual)$/

const comparisonsIn = (text: string, path: string): string[] => {
  const file = ts.createSourceFile(path, text, ts.ScriptTarget.ESNext, true)
  const found: string[] = []
  const tell = (node: ts.Node): void => {
    const { line } = file.getLineAndCharacterOfPosition(node.getStart())
    found.push(`${path}:${line + 1} ${node.getText()}`)
  }
  const visit = (node: ts.Node): void => {
    if (ts.isBinaryExpression(node) && COMPARING.has(node.operatorToken.kind)) {
      const sides = [node.left, node.right]
      if (!sides.some(harmless) && sides.some((side) => SECRET.test(nameOf(side)))) tell(node)
    }
    if (ts.isCallExpression(node) && CALLS.test(nameOf(node.expression)))
      if (node.arguments.some((argument) => SECRET.test(nameOf(argument)))) tell(node)
    ts.forEachChild(node, visit)
  }
  visit(file)
  return found
}

/** Looked at one by one: what is compared there is public. */
const PUBLIC: readonly string[] = [
  // R_i of a signer, which anybody computes from the commitments.
  'mpc/frost/sign.ts group.equals(left, nonceShare)',
]

test('no secret is compared in a time that depends on it', () => {
  const files = readdirSync(src, { recursive: true, encoding: 'utf8' }).filter((path) => path.endsWith('.ts'))
  const found = files.flatMap((path) => comparisonsIn(readFileSync(join(src, path), 'utf8'), path))
  expect(found.filter((one) => !PUBLIC.includes(one.replace(/:\d+ /, ' ')))).toEqual([])
  expect(files.length).toBeGreaterThan(100)
})

test('and such a comparison would be seen', () => {
  for (const text of [
    'a.secret === b',
    'toHex(share.reveal()) !== toHex(other)',
    'this.dataKey == that',
    'Buffer.compare(seed, other)',
    'known.includes(passphrase)',
    'x === y.pieces[0]',
  ])
    expect(comparisonsIn(text, 'x.ts'), text).toHaveLength(1)
  for (const text of [
    'share === undefined',
    'secrets.length === 2',
    "typeof secret === 'string'",
    'equal(secret, other)',
  ])
    expect(comparisonsIn(text, 'x.ts'), text).toEqual([])
})

import { utf8 } from '../../src/lib/bytes.ts'
import { Secret } from '../../src/lib/secret.ts'

export const passphraseOf = (text: string): Secret => new Secret(utf8(text))

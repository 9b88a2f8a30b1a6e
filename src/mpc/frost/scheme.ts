import type { Scheme } from '../scheme.ts'
import { frostKeygen } from './keygen.ts'
import { frostKeygenV1 } from './keygen-v1.ts'
import { provePossession, verifyPossession } from './possession.ts'
import { frostRefresh } from './refresh.ts'
import { frostRepair } from './repair.ts'
import { frostReshare } from './reshare.ts'
import { frostSign } from './sign.ts'
import { loadSuite, type SuiteId, xOnly } from './suite.ts'
import { verifySignature } from './verify.ts'
import { isShareOf, wholeKey } from './whole-key.ts'

/** FROST over the group of one ciphersuite. */
export const frostScheme = async (id: SuiteId): Promise<Scheme> => {
  const { evenY } = await loadSuite(id)
  return {
    id,
    keygen: frostKeygen(id),
    refresh: frostRefresh(id),
    reshare: frostReshare(id),
    repair: frostRepair(id),
    sign: frostSign(id),
    past: { keygen: [frostKeygenV1(id)] },
    verifySignature: (...rest) => verifySignature(id, ...rest),
    provePossession: (...rest) => provePossession(id, ...rest),
    verifyPossession: (...rest) => verifyPossession(id, ...rest),
    isShareOf: (...rest) => isShareOf(id, ...rest),
    wholeKey: (...rest) => wholeKey(id, ...rest),
    shownKey: (publicKey) => (evenY ? xOnly(publicKey) : publicKey),
  }
}

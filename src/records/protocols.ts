/** One row a protocol id: what its keys are for, as people read it, and the form that other tools know them in. */
export const protocols = {
  'frost-ed25519': { uses: 'Solana, OpenSSH, X.509', keyForm: 'ed25519' },
  'frost-ed448': { uses: 'X.509', keyForm: 'ed448' },
  'frost-p256': { uses: 'Schnorr over P-256', keyForm: 'p256' },
  'frost-ristretto255': { uses: 'Schnorr over ristretto255', keyForm: 'raw' },
  'frost-secp256k1': { uses: 'Schnorr over secp256k1', keyForm: 'secp256k1' },
  'frost-secp256k1-tr': { uses: 'Bitcoin taproot (BIP-340)', keyForm: 'bip340' },
} as const satisfies Readonly<Record<string, { uses: string; keyForm: KeyForm }>>

/** `raw`: the group's own encoding, which no other tool has a name for. */
type KeyForm = 'ed25519' | 'ed448' | 'p256' | 'secp256k1' | 'bip340' | 'raw'

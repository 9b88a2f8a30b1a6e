type Module = typeof import('../../src/lib/scrypt.ts')

/** The same function at a fraction of its cost: these tests open homes by the thousand. */
export const cheapScrypt = async (load: <T>() => Promise<T>): Promise<Module> => {
  const { scrypt } = await load<Module>()
  return { scrypt: (password, salt, _, length) => scrypt(password, salt, 32, length) }
}

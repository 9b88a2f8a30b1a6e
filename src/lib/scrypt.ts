import { scrypt as nodeScrypt } from 'node:crypto'

/** RFC 7914 with r = 8, p = 1, off the main thread; `n` is a power of two and costs 1024·n bytes of memory. */
export const scrypt = (password: Uint8Array, salt: Uint8Array, n: number, length: number): Promise<Uint8Array> =>
  new Promise((resolve, reject) => {
    // Node's own limit is 32 MiB; the work needs 128·n·r and a little more.
    nodeScrypt(password, salt, length, { N: n, r: 8, p: 1, maxmem: 1024 * n + 2 ** 20 }, (error, key) => {
      if (error === null) resolve(new Uint8Array(key))
      else reject(error)
    })
  })

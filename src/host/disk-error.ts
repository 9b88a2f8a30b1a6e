import { QuorateError } from '../lib/errors.ts'

const hints: Readonly<Record<string, string>> = {
  ENOSPC: 'make room on this disk, then run the same command again',
  EDQUOT: "raise this user's disk quota, then run the same command again",
  EROFS: 'mount this file system for writing, then run the same command again',
  EACCES: 'give this user the folder (owner and mode 0700), then run the same command again',
  EPERM: 'give this user the folder (owner and mode 0700), then run the same command again',
  EIO: 'the disk reports a fault: look at the kernel log and move the home to a sound disk before you go on',
  EMFILE: 'raise the limit of open files (ulimit -n), then run the same command again',
  ENFILE: 'raise the limit of open files of this machine, then run the same command again',
  ELOOP: 'a symbolic link stands where a file of the home belongs: remove it, then run the same command again',
  EISDIR: 'a folder stands where a file of the home belongs: move it away, then run the same command again',
  ENOTDIR: 'a file stands where a folder of the home belongs: move it away, then run the same command again',
  EXDEV: 'the home spans two file systems: put all of it on one',
}

export const errno = (error: unknown): string | undefined =>
  error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : undefined

/** A file system's error as people see it: what could not be done to which file, and what to do. */
export const diskError = (doing: string, path: string, error: unknown): QuorateError => {
  if (error instanceof QuorateError) return error
  const code = errno(error)
  const hint = hints[code ?? ''] ?? 'look at the disk that holds this home, then run the same command again'
  return new QuorateError('E_DISK', `cannot ${doing} ${path}${code === undefined ? '' : ` (${code})`}`, hint, {}, error)
}

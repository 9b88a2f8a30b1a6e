import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface Asked {
  readonly method: string
  readonly path: string
  readonly query: URLSearchParams
  readonly headers: IncomingMessage['headers']
  readonly body: Buffer
}
export type Answer = (asked: Asked, response: ServerResponse) => void

/** A server for an unmodified SDK, which answers as a test wants, one answer a request; the last stays. */
export const storeServer = async () => {
  const asked: Asked[] = []
  let answers: Answer[] = []
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('error', () => undefined)
    request.on('end', () => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://store')
      const { method = '', headers } = request
      const one = { method, path: pathname, query: searchParams, headers, body: Buffer.concat(chunks) }
      asked.push(one)
      const answer = answers.length > 1 ? answers.shift() : answers[0]
      answer?.(one, response)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    asked,
    answer: (...wanted: Answer[]): void => {
      asked.length = 0
      answers = wanted
    },
    close: (): Promise<void> => {
      server.closeAllConnections()
      return new Promise((resolve) => void server.close(() => resolve()))
    },
  }
}

export const answer =
  (status: number, headers: Readonly<Record<string, string>> = {}, body: string | Uint8Array = ''): Answer =>
  (_, response) =>
    void response.writeHead(status, headers).end(body)

/** The connection breaks: the store may have done what it was asked for. */
export const broken: Answer = (_, response) => void response.destroy()

export const silent: Answer = () => undefined

/** An answer that goes on for as long as somebody reads it. */
export const endless =
  (status: number, headers: Readonly<Record<string, string>>): Answer =>
  (_, response) => {
    response.writeHead(status, headers)
    const more = (): void => {
      while (!response.destroyed && response.write(Buffer.alloc(65_536, 0x20)));
      if (!response.destroyed) response.once('drain', more)
    }
    more()
  }

export const faultOf = (work: Promise<unknown>): Promise<readonly [unknown, string]> =>
  work.then(
    (value) => [value, ''],
    (error) => [error.details?.store ?? error, error.message],
  )

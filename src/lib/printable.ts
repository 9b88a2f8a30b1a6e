const UNSAFE = /[\p{Cc}\p{Cf}\p{Cs}\p{Co}\p{Cn}\p{Zl}\p{Zp}\p{Default_Ignorable_Code_Point}]/gu

/**
 * Text from outside as a terminal may show it: control characters, bidi and other format characters, letters without a
 * shape, lone surrogates and unassigned code points become `\u{…}`, so no text can move the cursor, reorder a line or
 * hide in it.
 */
export const printable = (text: string): string =>
  text.replace(UNSAFE, (char) => `\\u{${(char.codePointAt(0) ?? 0xfffd).toString(16)}}`)

/** JSON in ASCII: what a terminal could act on stands as `\uXXXX`, and the document still parses to the same value. */
export const asciiJson = (value: unknown, space?: number): string =>
  (JSON.stringify(value, undefined, space) ?? 'null').replace(
    /[^\n\x20-\x7e]/g,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, '0')}`,
  )

export declare const floors: readonly (readonly string[])[]
export declare const isInside: (file: string) => boolean
export declare const placeOf: (file: string) => string | undefined
export declare const arrowsBetween: (
  place: (file: string) => string | undefined,
  within?: (file: string) => boolean,
) => readonly (readonly [string, string])[]
export declare const shortened: (
  arrows: readonly (readonly [string, string])[],
) => readonly (readonly [string, string])[]

export interface Import {
  readonly file: string
  readonly target: string
  readonly kind: 'value' | 'type' | 'dynamic'
  readonly names: readonly string[]
}
export declare const sourceFiles: readonly string[]
export declare const sourceText: (file: string) => string
export declare const importsOf: (file: string, text: string) => readonly Import[]
export declare const imports: readonly Import[]
export declare const isOwn: (found: Import) => boolean
export declare const targetOf: (found: Import) => string
export declare const folderOf: (file: string) => string
export declare const reachedFrom: (roots: readonly string[], kinds?: readonly Import['kind'][]) => ReadonlySet<string>

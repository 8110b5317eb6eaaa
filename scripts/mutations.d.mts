export interface Edit {
  readonly file: string;
  readonly take: string;
  readonly put: string;
}
export interface Mutation extends Edit {
  readonly id: string;
  readonly says: string;
  readonly test: string;
  readonly also?: Edit;
}
export function readMutations(): Mutation[];
export function mutate(text: string, edit: Edit & { readonly id: string }): string;

export interface FpmRequest {
  readonly options: Readonly<Record<string, string>>;
  readonly depends: readonly string[];
  readonly recommends: readonly string[];
  readonly inputs: readonly { readonly from: string; readonly to: string }[];
}
export function parseFpmArguments(argv: readonly string[]): FpmRequest;
export function debControl(parsed: FpmRequest, installedKib: number): string;
export function rpmSpec(
  parsed: FpmRequest,
  what: {
    readonly files: readonly string[];
    readonly scripts: Readonly<Record<string, string>>;
    readonly packed: string;
  },
): string;

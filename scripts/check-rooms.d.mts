export interface Room {
  readonly at: string;
  readonly may: readonly string[];
  readonly packages: readonly string[];
  readonly why: string;
}
export const ROOMS: readonly Room[];
export function roomOf(path: string): { readonly place: string; readonly room: Room } | null;
export function importsOf(text: string): readonly string[];
export function brokenWalls(files: ReadonlyMap<string, string>): readonly string[];
export function readRooms(root: string): ReadonlyMap<string, string>;

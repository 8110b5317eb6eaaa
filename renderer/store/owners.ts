/** Hue and hatch of each owner: given by first appearance, kept for good, never computed from the name. */
import { create } from 'zustand';

const STORE_KEY = 'tranche.owners';
const HUES = 8;
const REMEMBERED_MAX = 512;

function restore(): readonly string[] {
  try {
    const read: unknown = JSON.parse(localStorage.getItem(STORE_KEY) ?? '[]');
    return Array.isArray(read) ? read.filter((name): name is string => typeof name === 'string') : [];
  } catch {
    return [];
  }
}

const useOwners = create<{ readonly names: readonly string[] }>(() => ({ names: restore() }));

/** Called with every snapshot, so that drawing never has to assign. */
export function meetOwners(owners: readonly string[]): void {
  const { names } = useOwners.getState();
  const fresh = [...new Set(owners)].filter((name) => !names.includes(name));
  if (fresh.length === 0 || names.length >= REMEMBERED_MAX) return;
  const next = [...names, ...fresh];
  useOwners.setState({ names: next });
  try {
    localStorage.setItem(STORE_KEY, JSON.stringify(next));
  } catch {
    // Storage is full or forbidden: hues last for this window only.
  }
}

/** After eight, hues repeat with the next hatch. */
export function ownerClassAt(index: number): string {
  const hue = (index % HUES) + 1;
  const hatch = ((index + Math.floor(index / HUES)) % HUES) + 1;
  return `o${String(hue)} k${String(hatch)}`;
}

export function useOwnerClass(owner: string | null): string {
  const index = useOwners((s) => (owner === null ? -1 : s.names.indexOf(owner)));
  return index < 0 ? 'un' : ownerClassAt(index);
}

/** Two signs that tell people apart: `mi`, and of numbered names what is theirs: `s7`, `17`. */
export function initials(owner: string): string {
  const plain = owner.replace(/[^\p{L}\p{N}]/gu, '');
  const number = /^\p{L}.*?(\d+)$/u.exec(plain)?.[1];
  if (number !== undefined)
    return (number.length > 1 ? number.slice(-2) : `${Array.from(plain)[0] ?? ''}${number}`).toLowerCase();
  return firstTwo(plain);
}

const firstTwo = (plain: string): string => Array.from(plain).slice(0, 2).join('').toLowerCase() || '?';

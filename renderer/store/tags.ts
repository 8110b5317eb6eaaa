/** Words the user gave to hosts, to group them by. Kept on this computer. */
import { z } from 'zod';
import { create } from 'zustand';
import { readStored, writeStored } from './stored.ts';

const STORE_KEY = 'tranche.tags';
export const TAGS_MAX = 12;
const TAG_MAX = 32;
const schema = z.record(z.string().max(512), z.array(z.string().max(TAG_MAX)).max(TAGS_MAX));

type Tags = Readonly<Record<string, readonly string[]>>;
export const useTags = create<{ readonly tags: Tags }>(() => ({ tags: readStored(STORE_KEY, schema, {}) }));

const NONE: readonly string[] = [];
export const tagsOf = (tags: Tags, hostId: string): readonly string[] => tags[hostId] ?? NONE;

/** Commas and spaces separate; each word once. */
export function parseTags(text: string): readonly string[] {
  const words = text
    .split(/[\s,]+/)
    .map((word) => word.trim().slice(0, TAG_MAX))
    .filter((word) => word !== '');
  return [...new Set(words)].slice(0, TAGS_MAX);
}

export function setTags(hostId: string, words: readonly string[]): void {
  const { [hostId]: _before, ...others } = useTags.getState().tags;
  const tags: Tags = words.length === 0 ? others : { ...others, [hostId]: words };
  useTags.setState({ tags });
  writeStored(STORE_KEY, tags);
}

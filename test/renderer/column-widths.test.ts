import { describe, expect, it } from 'vitest';
import { fitted, staying } from '../../renderer/components/column-widths.ts';

const COLUMNS = [
  { id: 'pid', width: 60 },
  { id: 'command', width: 100, grows: true },
  { id: 'group', width: 120, goes: 1 },
  { id: 'up', width: 90, goes: 2 },
] as const;
const NEEDS = { pid: 50, command: 600, group: 150, up: 80 };
const ids = (roomPx: number) => staying(COLUMNS, NEEDS, roomPx).map(({ id }) => id);

describe('the widths of columns', () => {
  it('are what is in them, and the rest is one column’s', () => {
    expect(fitted(COLUMNS, NEEDS, 2000)).toEqual([50, 600, 150, 80]);
    expect(fitted(COLUMNS, NEEDS, 700)).toEqual([50, 420, 150, 80]);
  });
  it('are taken from the one that grows first, and never below what each keeps', () => {
    expect(fitted(COLUMNS, NEEDS, 460)).toEqual([50, 180, 150, 80]);
    expect(fitted(COLUMNS, NEEDS, 445)).toEqual([50, 180, 135, 80]);
    expect(fitted(COLUMNS, NEEDS, 380)).toEqual([50, 130, 120, 80]);
    expect(fitted(COLUMNS, NEEDS, 100)).toEqual([50, 100, 120, 80]);
  });
  it('are bounded: no name takes the table', () => {
    expect(fitted([{ id: 'name', width: 80 }], { name: 5000 }, 9000)).toEqual([360]);
  });
  it('make room for what is to be read: those that may go do, in their order', () => {
    expect(ids(470)).toEqual(['pid', 'command', 'group', 'up']);
    expect(ids(450)).toEqual(['pid', 'command', 'up']);
    expect(ids(300)).toEqual(['pid', 'command']);
    expect(ids(10)).toEqual(['pid', 'command']);
  });
});

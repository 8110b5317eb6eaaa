/** A bounded run of points in typed arrays; the oldest falls out. Unknown is NaN inside and null outside. */
import type { HistoryPoint } from '../../model/model.ts';

const FIELDS = [
  'memoryUsedBytes',
  'computeTenths',
  'throttledTenths',
  'memoryLimitBytes',
  'computeLimitPercent',
  'temperatureC',
  'powerMilliwatts',
  'smClockMhz',
] as const;
type Field = (typeof FIELDS)[number];

/** What the agent's history has not: known from the time on that this window looks. */
export interface Vitals {
  readonly temperatureC: number | null;
  readonly powerMilliwatts: number | null;
  readonly smClockMhz: number | null;
}
export type SeriesPoint = HistoryPoint & Vitals;
const NO_VITALS: Vitals = { temperatureC: null, powerMilliwatts: null, smClockMhz: null };

export class Ring {
  readonly #capacity: number;
  readonly #at: Float64Array;
  readonly #columns: Readonly<Record<Field, Float64Array>>;
  #start = 0;
  #length = 0;

  constructor(capacity: number) {
    this.#capacity = capacity;
    this.#at = new Float64Array(capacity);
    this.#columns = {
      memoryUsedBytes: new Float64Array(capacity),
      computeTenths: new Float64Array(capacity),
      throttledTenths: new Float64Array(capacity),
      memoryLimitBytes: new Float64Array(capacity),
      computeLimitPercent: new Float64Array(capacity),
      temperatureC: new Float64Array(capacity),
      powerMilliwatts: new Float64Array(capacity),
      smClockMhz: new Float64Array(capacity),
    };
  }

  get length(): number {
    return this.#length;
  }

  /** Times only go forward; a point that is not newer is ignored. */
  push(given: HistoryPoint & Partial<Vitals>): void {
    const point: SeriesPoint = { ...NO_VITALS, ...given };
    const last = this.lastAtMs();
    if (last !== null && point.atMs <= last) return;
    const slot = (this.#start + this.#length) % this.#capacity;
    if (this.#length === this.#capacity) this.#start = (this.#start + 1) % this.#capacity;
    else this.#length += 1;
    this.#at[slot] = point.atMs;
    for (const field of FIELDS) this.#columns[field][slot] = point[field] ?? Number.NaN;
  }

  clear(): void {
    this.#start = 0;
    this.#length = 0;
  }

  lastAtMs(): number | null {
    if (this.#length === 0) return null;
    return this.#at[(this.#start + this.#length - 1) % this.#capacity] ?? null;
  }

  /** Points from `fromMs` on, oldest first, and the one before it, so that a line can enter from the left edge. */
  points(fromMs = Number.NEGATIVE_INFINITY): SeriesPoint[] {
    const found: SeriesPoint[] = [];
    for (let i = this.#indexBefore(fromMs); i < this.#length; i += 1) {
      const slot = (this.#start + i) % this.#capacity;
      const read = (field: Field): number | null => {
        const value = this.#columns[field][slot];
        return value === undefined || Number.isNaN(value) ? null : value;
      };
      found.push({
        atMs: this.#at[slot] ?? 0,
        memoryUsedBytes: read('memoryUsedBytes'),
        computeTenths: read('computeTenths'),
        throttledTenths: read('throttledTenths'),
        memoryLimitBytes: read('memoryLimitBytes'),
        computeLimitPercent: read('computeLimitPercent'),
        temperatureC: read('temperatureC'),
        powerMilliwatts: read('powerMilliwatts'),
        smClockMhz: read('smClockMhz'),
      });
    }
    return found;
  }

  #indexBefore(fromMs: number): number {
    let low = 0;
    let high = this.#length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.#at[(this.#start + middle) % this.#capacity] ?? 0) < fromMs) low = middle + 1;
      else high = middle;
    }
    return Math.max(0, low - 1);
  }
}

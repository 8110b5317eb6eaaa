/** The few signs there are, on one 14 px grid. Each stands beside a word, except copy, more and close. */
import type { ReactElement } from 'react';

const PATHS = {
  chevron: <path d="M5 3l4 4-4 4" />,
  down: <path d="M3 5l4 4 4-4" />,
  find: (
    <>
      <circle cx="6" cy="6" r="4" />
      <path d="M9 9l3.5 3.5" />
    </>
  ),
  plus: <path d="M7 2v10M2 7h10" />,
  close: <path d="M3 3l8 8M11 3l-8 8" />,
  more: (
    <g fill="currentColor" stroke="none">
      <circle cx="2.5" cy="7" r="1.4" />
      <circle cx="7" cy="7" r="1.4" />
      <circle cx="11.5" cy="7" r="1.4" />
    </g>
  ),
  copy: (
    <>
      <rect x="4.5" y="4.5" width="8" height="8" rx="1.5" />
      <path d="M9.5 4.5V3A1.5 1.5 0 0 0 8 1.5H3A1.5 1.5 0 0 0 1.5 3v5A1.5 1.5 0 0 0 3 9.500h1.500" />
    </>
  ),
  warn: (
    <>
      <path d="M7 1.800L13 12H1z" />
      <path d="M7 5.500v3M7 10.300v.1" />
    </>
  ),
  check: <path d="M2.500 7.500l3 3 6-7" />,
  cross: <path d="M3.500 3.500l7 7M10.500 3.500l-7 7" />,
  dot: <circle cx="7" cy="7" r="1.600" fill="currentColor" stroke="none" />,
  live: <circle cx="7" cy="7" r="4" fill="currentColor" stroke="none" />,
  read: <circle cx="7" cy="7" r="3.500" />,
  off: <path d="M3.500 7h7" />,
  busy: (
    <>
      <circle cx="7" cy="7" r="4.300" strokeDasharray="3 2.400" />
    </>
  ),
  ask: (
    <>
      <circle cx="7" cy="7" r="5" />
      <path d="M5.600 5.700a1.500 1.500 0 1 1 2 1.500c-.5.2-.6.5-.6 1M7 9.900v.1" />
    </>
  ),
  stale: (
    <>
      <circle cx="7" cy="7" r="4" />
      <path d="M7 3a4 4 0 0 1 0 8z" fill="currentColor" stroke="none" />
    </>
  ),
  retry: (
    <>
      <path d="M11.300 7a4.300 4.300 0 1 1-1.400-3.200" />
      <path d="M10.200 1.500v2.600H7.600" />
    </>
  ),
  block: (
    <>
      <path
        d="M4.700 1.500h4.600l3.200 3.200v4.600l-3.200 3.200H4.700L1.500 9.300V4.700z"
        fill="currentColor"
        stroke="none"
      />
      <path className="on-glyph" d="M7 4.300v3.200M7 9.700v.1" />
    </>
  ),
  all: (
    <path d="M1.500 2.500h4.500v4H1.500zM8 2.500h4.500v4H8zM1.500 8.500h4.500v3.500H1.500zM8 8.500h4.500v3.500H8z" />
  ),
  idle: <path d="M11.500 8.600A5 5 0 1 1 5.400 2.500a4 4 0 0 0 6.100 6.100z" />,
  demo: <path d="M7 2.300L11.700 7 7 11.700 2.300 7z" strokeDasharray="2 1.600" />,
} as const;

export type IconName = keyof typeof PATHS;
export const ICON_NAMES = Object.keys(PATHS) as readonly IconName[];

export function Icon({ name, tone }: { readonly name: IconName; readonly tone?: string }): ReactElement {
  return (
    <svg className={`i ${tone ?? ''}`} viewBox="0 0 14 14" aria-hidden="true" focusable="false">
      {PATHS[name]}
    </svg>
  );
}

/** The mark of a denied allocation: a filled triangle that points at the limit. */
export function DeniedMark(): ReactElement {
  return (
    <svg className="den" viewBox="0 0 12 9" aria-hidden="true" focusable="false">
      <path d="M0 0h12L6 9z" />
    </svg>
  );
}

/** Places on a GPU's bar, for its stylesheet: in GiB from its left. */
import type { CSSProperties } from 'react';
import { GIB } from '../../../model/units.ts';
import { vars } from '../../components/bits.tsx';

export const at = (bytes: number, size = 0): CSSProperties =>
  vars({ '--at': bytes / GIB, '--gib': size / GIB });

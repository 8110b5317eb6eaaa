/** What the driver reported of a GPU: number, what it means, when and how often. Outlives this window and the agent. */
import type { ReactElement } from 'react';
import { gpuCan } from '../../../model/backends.ts';
import type { Gpu } from '../../../model/gpu.ts';
import { dayTime } from '../../domain/when.ts';
import { cx } from '../../components/bits.tsx';

const WHOSE = { program: 'a program’s fault', hardware: 'hardware', other: null } as const;

export function GpuFaults({ gpu }: { readonly gpu: Gpu }): ReactElement | null {
  const { faults } = gpu;
  if (!gpuCan(gpu, 'tell-faults')) return null;
  return (
    <section>
      <div className="head2">
        Errors of the driver <span>{gpu.backend.faults}</span>
      </div>
      {faults === null ? (
        <p className="small three">— (this agent does not listen for them)</p>
      ) : faults.length === 0 ? (
        <p className="small three">None reported while an agent ran.</p>
      ) : (
        <dl className="ledger events fault-list">
          {faults.map((fault) => (
            <div key={`${fault.source} ${String(fault.code)} ${String(fault.firstAtMs)}`}>
              <dd>{dayTime(fault.atMs)}</dd>
              <dt>
                <b className={cx(fault.kind === 'hardware' ? 'bad' : 'strong')}>
                  {fault.source} {fault.code}
                </b>
                {WHOSE[fault.kind] !== null && <span className="two">, {WHOSE[fault.kind]}</span>}.{' '}
                {fault.text}
                {fault.count > 1 && (
                  <b className="strong">
                    {' '}
                    {fault.count} times since {dayTime(fault.firstAtMs)}
                  </b>
                )}
              </dt>
            </div>
          ))}
        </dl>
      )}
    </section>
  );
}

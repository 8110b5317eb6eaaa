/** How a GPU is shared: how far limits may add up on this host, and whether programs run in turns or at the same time. */
import type { ReactElement } from 'react';
import { gpuCan } from '../../../model/backends.ts';
import type { Gpu } from '../../../model/gpu.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { setRefusal } from '../../domain/rights.ts';
import { ask } from '../../store/ask.ts';
import { ChoiceField } from '../../components/field.tsx';

const GUARDS = [100, 125, 150, 200, 300];
const NO_GUARD = 'none';

/** The offers, and what is set if it is none of them. */
const guardsWith = (set: number | null): readonly number[] =>
  set === null || GUARDS.includes(set) ? GUARDS : [...GUARDS, set].sort((a, b) => a - b);

/** While it changes. */
const changingWords = ({ concurrent, backend }: Gpu): string =>
  `${concurrent === 'starting' ? 'Starting' : 'Stopping'} ${backend.concurrent ?? 'it'}…`;

export function GpuSharing(props: { readonly host: HostSnapshot; readonly gpu: Gpu }): ReactElement {
  const { host, gpu } = props;
  const refusal = setRefusal(host);
  const guard = host.memoryOvercommitMaxPercent;
  const concurrent = gpu.concurrent;
  const changing = concurrent === 'starting' || concurrent === 'stopping';
  return (
    <section>
      <div className="head2">Sharing</div>
      <div className="fields two-columns">
        <ChoiceField
          label="Limits may add up to"
          value={guard === null ? NO_GUARD : String(guard)}
          choices={[
            [NO_GUARD, 'Any amount'],
            ...guardsWith(guard).map(
              (percent) => [String(percent), `${String(percent)} % of a GPU`] as const,
            ),
          ]}
          refusal={refusal}
          onPick={(value) =>
            void ask('settings:set', {
              hostId: host.id,
              memoryOvercommitMaxPercent: value === NO_GUARD ? null : Number(value),
            })
          }
        />
        {concurrent !== null && gpuCan(gpu, 'run-concurrently') && (
          <ChoiceField
            label="Programs run"
            value={concurrent === 'on' || concurrent === 'stopping' ? 'on' : 'off'}
            choices={[
              ['off', concurrent === 'starting' ? changingWords(gpu) : 'In turns'],
              ['on', concurrent === 'stopping' ? changingWords(gpu) : 'At the same time'],
            ]}
            refusal={refusal ?? (changing ? `${changingWords(gpu)} Wait until it is done.` : null)}
            onPick={(value) =>
              void ask('gpu:concurrent', {
                hostId: host.id,
                gpuUuid: gpu.uuid,
                concurrent: value === 'on',
              })
            }
          />
        )}
      </div>
      <p className="small three">
        {concurrent === 'on'
          ? `Kernels of one user’s programs overlap (${gpu.backend.vendor} ${gpu.backend.concurrent ?? ''}). A fault of one program ends them all.`
          : (gpu.concurrentNote ??
            'The limit on limits holds for every GPU of this host. In turns, a fault of one program harms no other.')}
      </p>
    </section>
  );
}

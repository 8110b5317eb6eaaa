/** What the hardware itself cuts a GPU into: listed and left alone. Nothing where it cuts nothing. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/gpu.ts';
import { gib, mibExact } from '../../../model/units.ts';
import { partitionProfile, partitionsWord } from '../../domain/gpu-names.ts';

export function Partitions({ gpu }: { readonly gpu: Gpu }): ReactElement | null {
  const { partitioned, partitions } = gpu;
  if (partitioned !== true) return null;
  return (
    <section>
      <div className="head2">
        {partitionsWord(gpu)} <span>GiB</span>
      </div>
      {partitions === null ? (
        <p className="small three">— (this agent does not list them)</p>
      ) : partitions.length === 0 ? (
        <p className="small three">
          None: the GPU is set to be cut by its hardware, and cut into nothing yet.
        </p>
      ) : (
        <table>
          <tbody>
            {partitions.map((part) => (
              <tr key={part.uuid} title={part.uuid}>
                <td className="cut">{partitionProfile(gpu, part.name)}</td>
                <td className="num c-52" title={mibExact(part.capacityBytes)}>
                  {gib(part.capacityBytes)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="small three">
        They are made with {gpu.backend.tool ?? 'the vendor’s tools'} by an administrator. Tranche does not
        cut them, nor a GPU that has them.
      </p>
    </section>
  );
}

/** What NVIDIA's own cut of a GPU is: listed and left alone. Nothing where MIG is off. */
import type { ReactElement } from 'react';
import type { Gpu } from '../../../model/model.ts';
import { gib, mibExact } from '../../../model/units.ts';

/** `1g.10gb` of `NVIDIA H100 80GB HBM3 MIG 1g.10gb`. */
export const migProfile = (name: string): string => name.split(' MIG ').at(-1) ?? name;

export function MigSlices({ gpu }: { readonly gpu: Gpu }): ReactElement | null {
  const { migEnabled, migSlices } = gpu;
  if (migEnabled !== true) return null;
  return (
    <section>
      <div className="head2">
        MIG slices <span>GiB</span>
      </div>
      {migSlices === null ? (
        <p className="small three">— (this agent does not list them)</p>
      ) : migSlices.length === 0 ? (
        <p className="small three">None: the GPU is in MIG mode and cut into nothing yet.</p>
      ) : (
        <table>
          <tbody>
            {migSlices.map((mig) => (
              <tr key={mig.uuid} title={mig.uuid}>
                <td className="cut">{migProfile(mig.name)}</td>
                <td className="num c-52" title={mibExact(mig.capacityBytes)}>
                  {gib(mig.capacityBytes)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      )}
      <p className="small three">
        They are made with nvidia-smi by an administrator. Tranche does not cut them, nor a GPU that has them.
      </p>
    </section>
  );
}

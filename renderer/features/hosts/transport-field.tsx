/** How a host is reached: chosen here, and why it is the system's ssh where that was not a choice. */
import type { ReactElement } from 'react';
import type { HostSnapshot, TransportChoice } from '../../../model/model.ts';
import { request, sayFailure } from '../../store/ask.ts';
import { showToast } from '../../store/ui.ts';
import { ChoiceField } from '../../components/field.tsx';

const WORDS: Readonly<Record<TransportChoice, string>> = {
  auto: 'Automatic',
  'built-in': 'Built in',
  system: 'The system’s ssh',
};
const CHOICES = Object.entries(WORDS) as readonly (readonly [TransportChoice, string])[];

async function choose(host: HostSnapshot, choice: TransportChoice): Promise<void> {
  const result = await request('host:transport', { hostId: host.id, choice });
  const idle = host.connection.kind === 'disconnected' || host.connection.kind === 'failed';
  if (!result.ok) sayFailure(result.error);
  else if (!idle) showToast(`SSH to ${host.name}: ${WORDS[choice]}, from the next connection on`);
}

export function TransportField({ host }: { readonly host: HostSnapshot }): ReactElement {
  const { choice, used, reason } = host.transport;
  return (
    <>
      <ChoiceField
        label="SSH"
        value={choice}
        choices={CHOICES}
        onPick={(picked) => void choose(host, picked)}
      />
      {choice === 'auto' && used === 'system' && reason !== null && (
        <p className="small two wrap ssh-why">The system’s ssh is used, because {reason}.</p>
      )}
    </>
  );
}

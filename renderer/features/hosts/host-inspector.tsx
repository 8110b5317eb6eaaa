/** One host: what runs there, whose agent manages it, and the life of that agent. */
import { Fragment } from 'react';
import type { ReactElement, ReactNode } from 'react';
import type { Sample } from '../../../model/sample.ts';
import type { HostSnapshot } from '../../../model/model.ts';
import { gib, gibWithUnit } from '../../../model/units.ts';
import { previousOf, versionOf } from '../../domain/agent-version.ts';
import { keepingOfHost } from '../../domain/enforcement.ts';
import { ruleText } from '../../domain/escapes.ts';
import { gpuView, hostFigures } from '../../domain/host-figures.ts';
import { may, setRefusal } from '../../domain/rights.ts';
import { ask } from '../../store/ask.ts';
import { tagsOf, useTags } from '../../store/tags.ts';
import { openDialog, select } from '../../store/ui.ts';
import { Button } from '../../components/bits.tsx';
import { EventList } from '../../components/event-list.tsx';
import { Icon } from '../../components/icons.tsx';
import { linkCommand } from '../../acts/hosts.ts';
import { useStatus } from './host-row.tsx';
import { TransportField } from './transport-field.tsx';

export function HostInspector(props: {
  readonly host: HostSnapshot;
  readonly sample: Sample | null;
}): ReactElement {
  const { host, sample } = props;
  const status = useStatus(host);
  const { connection } = host;
  const tags = useTags((s) => tagsOf(s.tags, host.id));
  const agent = connection.kind === 'live' || connection.kind === 'stale' ? connection.agent : null;
  const { freeBytes, capacityBytes } = hostFigures(host, sample);
  const keeping = keepingOfHost(host, sample);
  const outside = ruleText(host.escapes);
  const fact = (term: string, value: ReactNode): ReactElement => (
    <>
      <dt>{term}</dt>
      <dd className="wrap">{value}</dd>
    </>
  );
  return (
    <div className="inspector" role="group" aria-label={`Host ${host.name}`}>
      <div className="ins-head">
        <Icon name={status.glyph} tone={status.tone} />
        <h2 className="cut" title={host.name}>
          {host.name}
        </h2>
      </div>
      <section>
        <dl className="facts">
          {fact('State', status.word ?? 'Live')}
          {fact('Tags', tags.length === 0 ? 'none' : tags.join(', '))}
          {fact('Address', <Address text={host.address ?? '—'} />)}
          {fact(
            'Memory',
            freeBytes === null ? '—' : `${gibWithUnit(freeBytes)} free of ${gib(capacityBytes)}`,
          )}
          {agent !== null && (
            <>
              {fact('Driver', agent.driver ?? '—')}
              {fact('Agent', `${agent.version}, protocol ${String(agent.protocol)}, ${agent.arch}`)}
              {fact(
                'Managed by',
                agent.scope === 'system'
                  ? 'the system’s own agent (root)'
                  : `${agent.managerName}’s agent, without root`,
              )}
              {fact(
                'You',
                `${agent.yourName}, ${may(host, 'slices-change') ? 'may change slices' : 'may look and use your own slices'}`,
              )}
              {outside !== null && fact('Outside slices', `Processes ${outside}`)}
              {keeping !== null && fact('Limits', `${keeping.word}. ${keeping.why}`)}
              {agent.simulated && fact('GPUs', 'simulated; agent and limits are real')}
            </>
          )}
        </dl>
        {host.source !== 'demo' && <TransportField host={host} />}
      </section>
      {host.gpus.length > 0 && (
        <section>
          <div className="head2">
            GPUs <span>free · limits · GiB</span>
          </div>
          <table>
            <tbody>
              {host.gpus.map((gpu) => {
                const { layout, slices } = gpuView(host, gpu, sample);
                const limits = layout.segments.reduce((sum, s) => sum + s.limitBytes, 0);
                return (
                  <tr key={gpu.uuid} onClick={() => select(host.id, { kind: 'gpu', uuid: gpu.uuid })}>
                    <td className="cut">
                      GPU {gpu.index} <span className="two">{gpu.name}</span>
                    </td>
                    <td className="num c-48">{gib(layout.free)}</td>
                    <td className="num c-52" title={`${String(slices.length)} slices`}>
                      {gib(limits)}
                    </td>
                  </tr>
                );
              })}
            </tbody>
          </table>
        </section>
      )}
      <section>
        <div className="head2">Last events</div>
        <EventList hostId={host.id} sliceId={null} max={8} />
      </section>
      <AgentSection host={host} />
    </div>
  );
}

function AgentSection({ host }: { readonly host: HostSnapshot }): ReactElement {
  const { connection } = host;
  const live = connection.kind === 'live';
  const previous = previousOf(host);
  const away = live ? null : `${host.name} is not connected.`;
  return (
    <section>
      <div className="head2">Manage</div>
      <div className="acts">
        <Button onClick={() => openDialog({ kind: 'tags', hostId: host.id })}>Tags…</Button>
        {connection.kind === 'live' && connection.upgradeTo !== null && (
          <Button onClick={() => void ask('host:deploy', { hostId: host.id })}>
            Upgrade agent to {connection.upgradeTo}
          </Button>
        )}
        {connection.kind === 'preview' && connection.canDeploy && (
          <Button onClick={() => void ask('host:deploy', { hostId: host.id })}>Install agent</Button>
        )}
        {(live || connection.kind === 'stale') && (
          <>
            <Button
              refusal={away}
              title="So that “tranche run” works in your shell there"
              onClick={() => void linkCommand(host)}
            >
              Link as ~/.local/bin/tranche
            </Button>
            {previous !== null && (
              <Button onClick={() => openDialog({ kind: 'roll-back', hostId: host.id, version: previous })}>
                Go back to agent {versionOf(previous)}…
              </Button>
            )}
            <Button
              refusal={setRefusal(host)}
              onClick={() => openDialog({ kind: 'quota', hostId: host.id, subject: null })}
            >
              Quotas…
            </Button>
            <Button refusal={away} onClick={() => openDialog({ kind: 'remove-agent', hostId: host.id })}>
              Remove agent…
            </Button>
          </>
        )}
        {connection.kind === 'disconnected' || connection.kind === 'failed' ? (
          <Button onClick={() => void ask('host:connect', { hostId: host.id })}>Connect</Button>
        ) : (
          <Button onClick={() => void ask('host:disconnect', { hostId: host.id })}>Disconnect</Button>
        )}
        {host.source !== 'demo' && (
          <Button
            title={
              host.source === 'typed'
                ? 'Disconnects and forgets this address'
                : 'Hides it here; your SSH config is not touched'
            }
            onClick={() => void ask('host:forget', { hostId: host.id })}
          >
            {host.source === 'typed' ? 'Forget host' : 'Hide host'}
          </Button>
        )}
      </div>
    </section>
  );
}

/** Broken where its parts meet, if it has to be broken at all. */
function Address({ text }: { readonly text: string }): ReactElement {
  return (
    <span className="mono">
      {text.split(/(?=[@:.])/).map((part, index) => (
        <Fragment key={index}>
          {index > 0 && <wbr />}
          {part}
        </Fragment>
      ))}
    </span>
  );
}
